"""Stores: where everything that outlives a process lies, behind one protocol.

base          the protocol, and what a missing folder means
uri           opening a store by its URI
folder        open, link and rename, private to its user
s3            obstore; bucket: requests with patience; faults: which errors may pass
credentials   asked of the Python that submitted the jobs
"""
