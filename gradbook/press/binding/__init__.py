"""Behind the build: what every page gets once it is made, whoever made it.

MkDocs and Zensical write the pages; this gives each of them a description, a picture for those who
pass it on, a policy that lets nothing in from elsewhere, and a foot, and writes the book as text.
"""
