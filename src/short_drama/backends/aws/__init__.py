"""One AWS account as the backend: SQS, DynamoDB, S3 with CloudFront in front."""
