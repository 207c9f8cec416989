"""Many runs: each trained once, side by side where that is faster than one after another."""
