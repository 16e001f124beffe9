"""Hardware in the loop: a pytest plugin that runs the same tests on virtual boards, on one on the desk, and on a rig of ten."""
