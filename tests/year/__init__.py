"""A year of a hundred members in three programs, recomputed from nothing but what happened.

history makes what happens, by a seed; person and the modules it uses recompute from that, and from what the rules of
year.yaml mean, what every member has and what the parties owe each other; playing sends the same to a service, day by
day; comparing looks whether both come to the same.
"""
