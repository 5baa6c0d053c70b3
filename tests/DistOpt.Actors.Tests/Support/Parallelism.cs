// most of these wait for limits of seconds to pass: two at a time leave two cores idle for half of the time
[assembly: CollectionBehavior(MaxParallelThreads = 4)]
