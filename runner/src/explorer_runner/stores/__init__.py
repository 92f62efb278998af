"""Stores: where everything that outlives a process lies, in a folder or on S3, behind one protocol."""
