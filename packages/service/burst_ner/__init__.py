"""Named entity recognition with spaCy, as an AWS Lambda function behind a Function URL."""
