"""`python -m benchmarks`: every benchmark, one after the other."""

from benchmarks import startup

if __name__ == "__main__":
    startup.main()
