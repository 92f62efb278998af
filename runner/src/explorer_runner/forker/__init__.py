"""forker"""
