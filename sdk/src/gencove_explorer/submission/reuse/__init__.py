"""Jobs that need not run: they succeeded before, with all that can change a result the same.

recipe         what all jobs of a round share, and the name under which the store finds rounds of one recipe
candidates     what earlier rounds of a recipe offer
explain        which part of a recipe is new, where no earlier round has it
lookup         which job takes what, and why the others run
"""
