"""Analyses as committed YAML.

find              which files are manifests
yaml_document     YAML, less than all of it, with the line of everything
schema            the form of a manifest; its JSON Schema
function_source   a work function and what it takes along, found without running its file
code_comparison   whether two texts are the same code
inputs            lists, tables, objects of a bucket; what tells them apart
lock_file         committed locks, checked and written
problems          what is wrong: file, line, field, what was found, what is allowed
load              a folder of manifests, and all that is wrong with it
build             from a manifest to an AnalysisRequest
export            from an AnalysisRequest to a manifest; export_source: its function's text

export and lock_file write files of the repository; the others only read.
"""
