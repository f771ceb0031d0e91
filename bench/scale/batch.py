"""`python batch.py DOCUMENTS MODEL QUICK`: what the batch worker and a whole batch cost, as one JSON object.

DOCUMENTS is a file of JSON Lines with documents of 1 KB, QUICK 1 or 0. S3 and Step Functions are moto's, in this
process; each invocation of Lambda is a process of its own (infra/tests/worker.py).
"""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path

import boto3
from moto.core.config import default_user_config
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "infra/tests"))
import loopback  # noqa: E402

DOCUMENTS, MODEL, QUICK = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "1"
BUCKET = "company"
PROCESS = ROOT / "bench/scale/process.py"


class Lambda:
    """Invocations of the worker, and what would be billed for them."""

    def __init__(self, trouble: dict) -> None:
        command = [sys.executable, str(ROOT / "infra/tests/worker.py")]
        env = os.environ | {"TROUBLE": json.dumps(trouble)}
        pipe = subprocess.PIPE
        self._host = subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
        self._url = self._host.stdout.readline().strip()
        self.ended_early = 0
        self.billed_s = 0.0

    def invoke(self, parameters: dict, **_) -> dict:
        """In the place of Step Functions' call of Lambda."""
        started = time.perf_counter()
        try:
            request = urllib.request.Request(self._url, parameters["Payload"])
            answer = json.load(urllib.request.urlopen(request))
        except OSError:
            self.ended_early += 1
            answer = {"error": {"errorType": "Runtime.ExitError", "errorMessage": "Runtime exited"}}
        self.billed_s += time.perf_counter() - started
        if "error" in answer:
            return {"FunctionError": "Unhandled", "Payload": answer["error"]}
        return {"Payload": answer["payload"], "StatusCode": 200}

    def close(self) -> None:
        self._host.stdin.close()
        self._host.wait()


class Account:
    def __init__(self) -> None:
        default_user_config["stepfunctions"]["execute_state_machine"] = True
        server, settings = loopback.start()
        _, port = server.get_host_and_port()
        os.environ |= settings | {
            "MOTO_PORT": str(port),
            "SPACY_MODEL_PATH": MODEL,
            "PYTHONPATH": str(ROOT / "packages/service"),
        }
        self.s3 = boto3.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        self._states = boto3.client("stepfunctions")

    def machine(self, name: str, concurrency: int) -> str:
        definition = (ROOT / "infra/batch.asl.tftpl").read_text()
        values = {"partition": "aws", "bucket": BUCKET, "worker": "worker", "concurrency": str(concurrency)}
        for key, value in values.items():
            definition = definition.replace(f"${{{key}}}", value)
        role = "arn:aws:iam::123456789012:role/states"
        return self._states.create_state_machine(name=name, definition=definition, roleArn=role)["stateMachineArn"]

    def command(self, machine: str, *arguments: str) -> dict:
        command = ["node", str(ROOT / "packages/batch/dist/cli.js"), *arguments, "--json"]
        env = os.environ | {"BURST_NER_STATE_MACHINE": machine}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode == 2:
            raise RuntimeError(done.stderr)
        return json.loads(done.stdout)

    def finish(self, machine: str, source: str, output: str) -> dict:
        """Starts a batch and waits for its end, by what takes next to no CPU."""
        execution = self.command(machine, "start", source, "--out", output)["execution"]
        while self._states.describe_execution(executionArn=execution)["status"] == "RUNNING":
            time.sleep(0.5)
        return self.command(machine, "status", output)


def process(kind: str, *arguments: str) -> dict:
    command = [sys.executable, str(PROCESS), kind, MODEL, *arguments]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def throughput(account: Account, lines: list[bytes]) -> dict:
    """The worker beside the engine alone, in turns."""
    some = lines[: 200 if QUICK else 1500]
    account.s3.put_object(Bucket=BUCKET, Key="one.jsonl", Body=b"".join(some))
    many = lines * (1 if QUICK else 4)
    account.s3.put_object(Bucket=BUCKET, Key="many.jsonl", Body=b"".join(many))
    rounds = [
        (process("engine", str(DOCUMENTS), str(len(some))), process("worker", BUCKET, "one.jsonl", str(number)))
        for number in range(5)
    ]
    large = process("worker", BUCKET, "many.jsonl", "many")
    engine_mb = max(engine["mb"] for engine, _ in rounds)
    return {
        "ratios": [engine["seconds"] / worker["seconds"] for engine, worker in rounds],
        "documents_a_second": [len(some) / worker["seconds"] for _, worker in rounds],
        "characters_a_second": [worker["characters"] / worker["seconds"] for _, worker in rounds],
        "more_mb": {
            f"{sum(map(len, some)) / 1e6:.1f} MB": max(worker["mb"] for _, worker in rounds) - engine_mb,
            f"{sum(map(len, many)) / 1e6:.1f} MB": large["mb"] - engine_mb,
        },
    }


def killed(account: Account) -> dict:
    """Many parts, of whose attempts some are killed, lose their answer, or meet 503 SlowDown."""
    parts = 100 if QUICK else 1000
    for part in range(parts):
        body = "\n".join(json.dumps({"id": f"{part}/{number}", "text": "Ada Lovelace wrote."}) for number in range(3))
        account.s3.put_object(Bucket=BUCKET, Key=f"parts/{part:04d}.jsonl", Body=body.encode())
    machine = account.machine("killed", 8)
    function = Lambda({"kill": 0.05, "lose": 0.01, "slow_down": 0.01, "within": 0.1})
    lambda_eval_utils._invoke_lambda_function = function.invoke
    output = f"s3://{BUCKET}/killed/"
    status = account.finish(machine, f"s3://{BUCKET}/parts/", output)
    function.close()
    ids: Counter[str] = Counter()
    for name in account.command(machine, "collect", output)["objects"]:
        body = account.s3.get_object(Bucket=BUCKET, Key=name.removeprefix(f"s3://{BUCKET}/"))["Body"].read()
        ids.update(json.loads(line)["id"] for line in body.splitlines())
    wanted = {f"{part}/{number}" for part in range(parts) for number in range(3)}
    return {
        "parts": status["parts"]["all"],
        "ended_early": function.ended_early,
        "lost": len(wanted - set(ids)),
        "twice": sum(count > 1 for count in ids.values()),
    }


def planned(account: Account, lines: list[bytes]) -> dict:
    """A plan by a trial, beside the run that it planned."""
    many = lines * (2 if QUICK else 4)
    for number in range(2):
        account.s3.put_object(Bucket=BUCKET, Key=f"plan/{number}.jsonl", Body=b"".join(many))
    machine = account.machine("planned", 2)
    function = Lambda({})
    lambda_eval_utils._invoke_lambda_function = function.invoke
    source, output = f"s3://{BUCKET}/plan/", f"s3://{BUCKET}/planned/"
    plan = account.command(machine, "plan", source, "--out", output, "--trial", "--arch", "x86_64")
    function.billed_s = 0.0
    status = account.finish(machine, source, output)
    function.close()
    prices = json.loads((ROOT / "packages/loadtest/src/plan/prices.json").read_text())["lambda"]
    billed = function.billed_s * 1769 / 1024 * prices["duration"]["x86_64"] + plan["parts"] * prices["request"]["usd"]
    usd = billed + plan["usd"]["states"] + plan["usd"]["s3"]
    return {
        "documents": status["documents"]["done"],
        "parts": plan["parts"],
        "seconds": [plan["seconds"], status["seconds"]],
        "usd": [plan["usd"]["total"], usd],
    }


def main() -> None:
    account = Account()
    lines = DOCUMENTS.read_bytes().splitlines(keepends=True)
    print(json.dumps(throughput(account, lines) | {"killed": killed(account), "plan": planned(account, lines)}))


if __name__ == "__main__":
    main()
