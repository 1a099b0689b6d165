"""What the pages of the book run: one room per page, named as the page.

It is the laboratory of the book and no part of the library: it is not in the wheel, and nothing in
it stays as it is for anybody's sake.
"""
