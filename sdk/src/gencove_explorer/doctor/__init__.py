"""What ``explorer doctor`` looks at: one Check for each piece of the configuration, with how to correct it.

check   what is said of one piece
local   this machine: home folder, store, queue, Python, IPython
batch   AWS: credentials, store, queue, compute environments, image, roles, log group

It reads and asks, and changes nothing.
"""
