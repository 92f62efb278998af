"""The executor that runs jobs on AWS Batch.

executor          the protocol, in requests to AWS
images            from a repository to the digest of one image
job_definitions   registered on demand, named by their content
dependencies      the jobs of Batch that a round waits for
submit_job        what SubmitJob is given: variables, resources, rules of retries, tags
jobs              jobs submitted once, found by name, described a hundred at a time
batch_states      from what Batch says to states and reasons: pure functions
cloudwatch        logs

job_definitions registers, jobs submits and terminates, executor writes index and closed records; the others
only read.
"""
