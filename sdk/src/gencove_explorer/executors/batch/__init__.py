"""The executor that runs jobs on AWS Batch.

client        the protocol of executors, in requests to AWS
requests      what SubmitJob is given
definitions   job definitions, registered on demand and named by their content
images        from a repository to the digest of one image
seen          from what DescribeJobs says to the states of jobs
streams       logs from CloudWatch
checks        what explorer doctor looks at
aws           boto3's clients, and their errors in words
"""
