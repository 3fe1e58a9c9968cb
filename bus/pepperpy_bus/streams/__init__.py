"""JetStream: streams and buckets, read, written, followed and provisioned."""
