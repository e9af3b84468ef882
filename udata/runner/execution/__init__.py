"""Running a job: in this process, under a lease, until it ends or is interrupted."""
