"""What is stored permanently: keys, names and records. A change here is a new format number.

keys               the store's layout; every key of it
names              names and ids
validation         facts from outside, checked before anything is made of them
payload            what travels from run() to a job
pylock             the lock of an analysis
outcome            what is known of one finished attempt
values             output values: JSON where that is exact, else a pickle
previews           what a pickled value is shown as; unfolding: one level of an object
package_versions   which packages a pickle needs
unpickling         reading pickles in a process that goes on

payload and outcome write their objects, each once.
"""
