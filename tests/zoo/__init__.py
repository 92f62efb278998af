"""Real objects of real packages, and whether jobs get them.

table       the objects, one a line
cells       what the notebook defines that submits them; it runs with the packages of requirements/zoo.txt
notebook    runs the cells as __main__, and all rows of the table as analyses
batches     rows, submitted together and split where something is refused or fails
plain       what plain cloudpickle carries, in a process of its own
equality    whether what came back is what was sent
"""
