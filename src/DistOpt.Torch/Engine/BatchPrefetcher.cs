using System.Runtime.ExceptionServices;
using DistOpt.Core.Batching;

using static TorchSharp.torch;

namespace DistOpt.Torch.Engine;

/// <summary>
/// Prepares the training batches of one worker ahead, on threads of its own. Bounded: at most <c>capacity</c> batches are loaded or being
/// loaded and not taken. Asking is a hint; a batch that was not begun is loaded by whoever takes it. An exception of the data set is thrown
/// where its batch is taken.
/// </summary>
internal sealed class BatchPrefetcher : IDisposable
{
    private const int MaxThreads = 4;
    private const int MaxHints = 4096;

    private readonly BatchLoader _loader;
    private readonly int _capacity;
    private readonly object _gate = new();
    private readonly Dictionary<Key, Entry> _entries = [];
    private readonly LinkedList<Entry> _waiting = [];
    private readonly List<Thread> _threads = [];
    private int _held;
    private bool _stopped;

    /// <param name="capacity">Batches, at least 1.</param>
    public BatchPrefetcher(BatchLoader loader, int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        _loader = loader;
        _capacity = capacity;
    }

    /// <param name="step">Step that will take the batch; batches of earlier steps are dropped by <see cref="DropBefore"/>.</param>
    public void Request(long step, int epoch, PositionRange positions)
    {
        var key = new Key(epoch, positions);
        lock (_gate)
        {
            if (_stopped || _waiting.Count >= MaxHints || _entries.ContainsKey(key)) return;
            var entry = new Entry(key, step);
            _entries.Add(key, entry);
            _waiting.AddLast(entry);
            if (_threads.Count < Math.Min(_capacity, MaxThreads) && _threads.Count < _waiting.Count) StartThread();
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>The batch if it is ready or being loaded (then this waits), else null: the caller loads it.</summary>
    public LoadedBatch? Take(int epoch, PositionRange positions)
    {
        Entry? entry;
        lock (_gate)
        {
            if (!_entries.Remove(new Key(epoch, positions), out entry)) return null;
            if (!entry.Begun)
            {
                _waiting.Remove(entry);
                return null;
            }
            while (!entry.Done) Monitor.Wait(_gate);
            _held--;
            Monitor.PulseAll(_gate);
        }
        entry.Error?.Throw();
        return entry.Batch;
    }

    /// <summary>Forgets batches that were meant for steps before <paramref name="step"/> and were not taken.</summary>
    public void DropBefore(long step)
    {
        lock (_gate)
        {
            if (_entries.Count == 0) return;
            List<Entry>? stale = null;
            foreach (var entry in _entries.Values)
                if (entry.Step < step && (!entry.Begun || entry.Done)) (stale ??= []).Add(entry);
            if (stale is null) return;
            foreach (var entry in stale) Drop(entry);
            Monitor.PulseAll(_gate);
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _stopped = true;
            Monitor.PulseAll(_gate);
        }
        foreach (var thread in _threads) thread.Join();
        foreach (var entry in _entries.Values) entry.Batch?.Dispose();
        _entries.Clear();
        _waiting.Clear();
    }

    private void Drop(Entry entry)
    {
        _entries.Remove(entry.Key);
        if (!entry.Begun)
        {
            _waiting.Remove(entry);
            return;
        }
        entry.Batch?.Dispose();
        _held--;
    }

    private void StartThread()
    {
        var thread = new Thread(Run) { IsBackground = true, Name = "distopt-prefetch" };
        _threads.Add(thread);
        thread.Start();
    }

    private void Run()
    {
        ThreadCount.SetOne();
        while (true)
        {
            Entry entry;
            lock (_gate)
            {
                while (!_stopped && (_waiting.Count == 0 || _held >= _capacity)) Monitor.Wait(_gate);
                if (_stopped) return;
                entry = _waiting.First!.Value;
                _waiting.RemoveFirst();
                entry.Begun = true;
                _held++;
            }
            LoadedBatch? batch = null;
            ExceptionDispatchInfo? error = null;
            try
            {
                batch = _loader.LoadTraining(entry.Key.Epoch, entry.Key.Positions);
            }
            catch (Exception e) // whatever user code throws belongs to the one who takes the batch
            {
                error = ExceptionDispatchInfo.Capture(e);
            }
            lock (_gate)
            {
                entry.Batch = batch;
                entry.Error = error;
                entry.Done = true;
                Monitor.PulseAll(_gate);
            }
        }
    }

    private readonly record struct Key(int Epoch, PositionRange Positions);

    private sealed class Entry(Key key, long step)
    {
        public Key Key { get; } = key;

        public long Step { get; } = step;

        public bool Begun { get; set; }

        public bool Done { get; set; }

        public LoadedBatch? Batch { get; set; }

        public ExceptionDispatchInfo? Error { get; set; }
    }
}
