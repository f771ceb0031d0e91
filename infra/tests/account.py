"""An AWS account on loopback: a moto server for as long as standard input is open.

Prints its URL, then for each empty line of standard input what the account holds, as a JSON list of names. A line with
a port says where on loopback state machines find S3 and Lambda.
"""

import json
import os
import sys
from collections.abc import Iterator

import boto3
import loopback
from moto.core.config import default_user_config


def holdings(url: str) -> Iterator[str]:
    def client(service: str):
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, endpoint_url=url, region_name="us-east-1", **keys)

    yield from (f"bucket {bucket['Name']}" for bucket in client("s3").list_buckets()["Buckets"])
    yield from (f"function {one['FunctionName']}" for one in client("lambda").list_functions()["Functions"])
    yield from (f"log group {group['logGroupName']}" for group in client("logs").describe_log_groups()["logGroups"])
    yield from (f"stack {stack['StackName']}" for stack in client("cloudformation").describe_stacks()["Stacks"])
    machines = client("stepfunctions").list_state_machines()["stateMachines"]
    yield from (f"state machine {machine['name']}" for machine in machines)
    iam = client("iam")
    yield from (f"role {role['RoleName']}" for role in iam.list_roles()["Roles"])
    yield from (f"policy {policy['PolicyName']}" for policy in iam.list_policies(Scope="Local")["Policies"])
    watch = client("cloudwatch")
    yield from (f"alarm {alarm['AlarmName']}" for alarm in watch.describe_alarms()["MetricAlarms"])
    yield from (f"dashboard {one['DashboardName']}" for one in watch.list_dashboards()["DashboardEntries"])
    scaling = client("application-autoscaling")
    for target in scaling.describe_scalable_targets(ServiceNamespace="lambda")["ScalableTargets"]:
        yield f"scalable target {target['ResourceId']}"
    for action in scaling.describe_scheduled_actions(ServiceNamespace="lambda")["ScheduledActions"]:
        yield f"scheduled action {action['ScheduledActionName']}"
    efs = client("efs")
    for system in efs.describe_file_systems()["FileSystems"]:
        yield f"file system {system['FileSystemId']}"
        for target in efs.describe_mount_targets(FileSystemId=system["FileSystemId"])["MountTargets"]:
            yield f"mount target {target['MountTargetId']}"
    yield from (f"access point {one['AccessPointId']}" for one in efs.describe_access_points()["AccessPoints"])
    ec2 = client("ec2")
    yield from (f"vpc {vpc['VpcId']}" for vpc in ec2.describe_vpcs()["Vpcs"])
    yield from (f"subnet {subnet['SubnetId']}" for subnet in ec2.describe_subnets()["Subnets"])
    yield from (f"route table {table['RouteTableId']}" for table in ec2.describe_route_tables()["RouteTables"])
    endpoints = ec2.describe_vpc_endpoints()["VpcEndpoints"]  # a deleted one is told for a while
    yield from (f"endpoint {one['VpcEndpointId']}" for one in endpoints if one["State"] != "deleted")
    yield from (
        f"interface {one['NetworkInterfaceId']}" for one in ec2.describe_network_interfaces()["NetworkInterfaces"]
    )
    groups = {group["GroupId"]: group for group in ec2.describe_security_groups()["SecurityGroups"]}
    for group in groups.values():
        yield f"security group {group['VpcId']} {group['GroupName']}"
    for rule in ec2.describe_security_group_rules()["SecurityGroupRules"]:
        group, peer = groups[rule["GroupId"]], rule.get("ReferencedGroupInfo", {}).get("GroupId")
        target = groups[peer]["GroupName"] if peer else rule.get("PrefixListId") or rule.get("CidrIpv4")
        ports = f"{rule['IpProtocol']} {rule['FromPort']}-{rule['ToPort']}"
        yield f"{'egress' if rule['IsEgress'] else 'ingress'} {group['GroupName']} {ports} {target}"


default_user_config["stepfunctions"]["execute_state_machine"] = True
server, settings = loopback.start()
URL = settings["AWS_ENDPOINT_URL"]
print(URL, flush=True)
for line in sys.stdin:
    if line.strip():
        os.environ["MOTO_PORT"] = line.strip()
    else:
        print(json.dumps(sorted(holdings(URL))), flush=True)
server.stop()
