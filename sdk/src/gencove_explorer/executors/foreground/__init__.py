"""run_local: jobs in the foreground, their output in the cell as it comes.

executor     the protocol, and the loop that runs the jobs of a round
launch       runners as processes of ours, on this machine or in a container
docker       the image, and the command that runs it with the limits of the job definition
round_lock   the lock that tells others that somebody runs the round; what it left open is closed

The runners write outputs and outcomes; this process writes the index record and closed records.
"""
