"""boto3 for executors, doctor, manifests and the stack: loaded when it is first used.

errors        boto3's errors as ExecutorError and AwsError: what was wanted, what AWS says, what to do
clients       one client for each service, with the retries that all of them have
credentials   boto3's credentials: for containers, and for jobs that ask the Python that submitted them
buckets       buckets of inputs: listed, and checked before ten thousand jobs read them

Nothing here writes to AWS.
"""
