"""What runs came to: told by API, OTLP attribute or event, derived where possible, and watched for a fall."""
