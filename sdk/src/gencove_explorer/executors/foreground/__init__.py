"""executors/foreground"""
