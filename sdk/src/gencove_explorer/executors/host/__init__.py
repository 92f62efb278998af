"""executors/host"""
