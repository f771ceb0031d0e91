terraform {
  required_version = ">= 1.11.0"

  # Version 6 as well: see docs/decisions/provider.md. Tests run the lowest.
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100.0, < 7.0.0"
    }
  }
}
