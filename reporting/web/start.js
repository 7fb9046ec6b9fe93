// Last of all files: everything is known by now.
F.start();
