// the tests start processes, count threads and handles, and measure memory: one at a time
[assembly: CollectionBehavior(DisableTestParallelization = true)]
