"""The relations that a transition writes. Each module states the columns of its rows, plans the rows of one
step, and has its SQL in the file of the same name. Pure: `store/statements.py` reads the SQL and numbers its
parameters.
"""
