"""A cloud on this machine, for tests: moto's server, with a Batch that runs jobs as AWS does.

    server      HTTP: moto's applications, a log of all requests, faults on demand
    batch       Batch's requests, checked and answered
    jobs        what a job is, and the rules by which it moves
    workers     starts what may start, and follows it to its end
    hosts       where containers run: Docker, or plain processes where there is none
    gaps        what Terraform meets differently in moto
    provision   bucket, queue, registry and roles

It is test code: what Explorer does not use is moto's, or missing.
"""
