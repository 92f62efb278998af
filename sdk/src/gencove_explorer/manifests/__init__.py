"""Analyses as committed YAML.

documents    YAML, less than all of it, with the line of everything
models       the form of a manifest
functions    a work function and what it takes along, found without running its file
syntax       whether two texts are the same code
inputs       lists, tables, objects of a bucket; what tells them apart
locks        committed locks
loading      a folder of manifests, and all that is wrong with it
building     from a manifest to an Analysis
writing      from an Analysis to a manifest; sources: its function's text
"""
