using DistOpt.Core.Checkpoints;
using DistOpt.Core.Parameters;

namespace DistOpt.Core.Tests.Checkpoints;

/// <summary>Checkpoints whose files servers write themselves, each its own range.</summary>
public sealed class SharedCheckpointTests : IDisposable
{
    private static readonly KeyRange[] s_ranges = [new(0, 1024), new(1024, 2048), new(2048, 2440)];

    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void What_several_servers_write_is_one_checkpoint_in_the_format_of_every_other()
    {
        string path = Write(Store(), 12);

        using var checkpoint = Store().OpenNewest([])!;
        Assert.Equal(path, checkpoint.Path);
        CheckpointFixture.AssertHolds(checkpoint, 12);
        Assert.Equal(CheckpointManifest.CurrentFormat, checkpoint.Manifest.FormatVersion);
        string other = Directory.CreateDirectory(Path.Combine(_folder, "coordinator")).FullName;
        string streamed = CheckpointFixture.Write(new CheckpointStore(other), 12);
        foreach (string file in Directory.GetFiles(path, "*.safetensors"))
            Assert.Equal(File.ReadAllBytes(Path.Combine(streamed, Path.GetFileName(file))), File.ReadAllBytes(file));
    }

    [Fact]
    public void No_two_servers_write_to_one_page_of_a_file()
    {
        string path = Write(Store(), 12);

        using var stream = File.OpenRead(Path.Combine(path, "weights.safetensors"));
        byte[] length = new byte[8];
        stream.ReadExactly(length);
        Assert.Equal(0, (BitConverter.ToInt64(length) + 8) % 4096);
        Assert.Equal(0, KeyRangePartitioner.Block * 4 % 4096);
    }

    /// <summary>One bit in many places of every file, after the servers have written it and before the manifest is.</summary>
    [Fact]
    public void What_is_not_what_a_server_wrote_never_becomes_a_checkpoint()
    {
        Write(Store(), 10);
        int flips = 0;
        string unfinished = Store().UnfinishedPathOf(1, 20);
        foreach (string name in new[] { "weights", "buffers", "optimizer-exp_avg", "optimizer-exp_avg_sq", "average", "average-buffers", "selected", "selected-buffers" })
        {
            for (int at = 0; at < 20; at++, flips++)
            {
                var error = Assert.Throws<IOException>(() => Write(Store(), 20, between: () =>
                {
                    string file = Path.Combine(unfinished, name + ".safetensors");
                    byte[] bytes = File.ReadAllBytes(file);
                    bytes[(bytes.Length - 1) * at / 19] ^= (byte)(1 << (at % 8));
                    File.WriteAllBytes(file, bytes);
                }));
                Assert.Contains(name + ".safetensors", error.Message);
                using var found = Store().OpenNewest([]);
                Assert.Equal(10, found!.Step);
            }
        }
        Assert.Equal(160, flips);
        Assert.Throws<IOException>(() => Write(Store(), 20, between: () => File.WriteAllBytes(Path.Combine(unfinished, "weights.safetensors"), [1, 2, 3])));
        Assert.Throws<FileNotFoundException>(() => Write(Store(), 20, between: () => File.Delete(Path.Combine(unfinished, "weights.safetensors"))));
        Write(Store(), 20);
        using var last = Store().OpenNewest([]);
        CheckpointFixture.AssertHolds(last!, 20);
    }

    /// <summary>A server or the coordinator ends before each operation on the disk in turn.</summary>
    [Fact]
    public void Whoever_is_killed_wherever_the_newest_complete_checkpoint_is_found_and_the_next_writers_go_on()
    {
        var operations = new List<string>();
        WriteAll(Path.Combine(_folder, "counted"), operations.Add);
        Assert.InRange(operations.Count, 100, 300);
        Assert.Contains("flush optimizer-exp_avg.safetensors", operations);
        for (int kill = 0; kill < operations.Count; kill++)
        {
            int now = 0;
            string folder = Path.Combine(_folder, $"kill-{kill}");
            Assert.Throws<KilledException>(() => WriteAll(folder, _ =>
            {
                if (now++ == kill) throw new KilledException();
            }));

            var skipped = new List<SkippedCheckpoint>();
            var after = new CheckpointStore(folder, isShared: true);
            using (var found = after.OpenNewest(skipped))
            {
                Assert.Empty(skipped);
                long complete = operations.Take(kill).Count(o => o == "rename into place") * 10;
                Assert.Equal(complete == 0 ? null : complete, found?.Step);
                if (found is not null) CheckpointFixture.AssertHolds(found, found.Step);
            }
            Write(after, 40, jobEpoch: 2);
            after.Prune(40, 2);
            using var last = after.OpenNewest(skipped)!;
            CheckpointFixture.AssertHolds(last, 40);
            Assert.DoesNotContain(Directory.GetDirectories(folder), d => Path.GetFileName(d).StartsWith('.'));
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void A_slice_that_comes_twice_counts_once_and_one_that_is_missing_keeps_it_unfinished()
    {
        var store = Store();
        using var draft = store.Begin(1, 5, CheckpointFixture.Vectors);
        draft.Describe(CheckpointFixture.Template.With(CheckpointFixture.State(5)));
        var slices = s_ranges.Select(range => WriteSlices(store, 1, 5, range)).ToList();

        foreach (var slice in slices[0].Concat(slices[1]).Concat(slices[1]).Concat(slices[0])) draft.Written(slice);

        Assert.False(draft.IsComplete);
        Assert.Throws<InvalidOperationException>(() => draft.Commit(new ManifestRun()));
        foreach (var slice in slices[2]) draft.Written(slice);
        Assert.True(draft.IsComplete);
    }

    [Fact]
    public void A_coordinator_that_was_replaced_takes_nothing_from_its_successor()
    {
        var (former, successor) = (Store(), Store());
        Write(former, 10);
        Write(successor, 20, jobEpoch: 2);
        Directory.CreateDirectory(successor.UnfinishedPathOf(2, 30));
        Directory.CreateDirectory(former.UnfinishedPathOf(1, 14));

        Write(former, 15);
        former.Prune(15, keep: 1);

        Assert.Equal([20, 15], former.Steps());
        Assert.True(Directory.Exists(successor.UnfinishedPathOf(2, 30)));
        Assert.False(Directory.Exists(former.UnfinishedPathOf(1, 14)));
        successor.RemoveLeftOvers();
        Assert.False(Directory.Exists(successor.UnfinishedPathOf(2, 30)));
    }

    /// <summary>What servers tell of a checkpoint may come late, when they write the state of an interrupted run already.</summary>
    [Fact]
    public void What_is_gathered_late_takes_nothing_from_a_later_step_that_is_being_written()
    {
        var store = Store();
        var early = WriteSlices(store, 1, 18, s_ranges[1]);
        WriteSlices(store, 1, 14, s_ranges[1]);

        Write(store, 15);
        using var draft = store.Begin(1, 18, CheckpointFixture.Vectors);
        draft.Describe(CheckpointFixture.Template.With(CheckpointFixture.State(18)));
        foreach (var slice in early.Concat(WriteSlices(store, 1, 18, s_ranges[2])).Concat(WriteSlices(store, 1, 18, s_ranges[0]))) draft.Written(slice);
        draft.Commit(new ManifestRun { WallSeconds = 1.5, StepsComputed = 18 });

        Assert.Equal([18, 15], store.Steps());
        Assert.False(Directory.Exists(store.UnfinishedPathOf(1, 14)));
        using var newest = store.OpenNewest([])!;
        CheckpointFixture.AssertHolds(newest, 18);
    }

    [Fact]
    public void A_later_one_that_is_not_sound_goes_on_shared_storage_too()
    {
        var store = Store();
        Write(store, 10);
        File.WriteAllText(Path.Combine(Write(store, 20), "weights.safetensors"), "torn");

        store.Prune(10, keep: 2);

        Assert.Equal([10], store.Steps());
    }

    [Fact]
    public void A_folder_that_is_missing_is_not_made_since_it_is_not_mounted()
    {
        var store = CheckpointStore.Shared(Path.Combine(_folder, "mount"), "job/1");

        Assert.EndsWith("job%2F1", store.Directory);
        Assert.Throws<DirectoryNotFoundException>(() => store.BeginSlices(1, 5, CheckpointFixture.Vectors));
        Assert.Throws<DirectoryNotFoundException>(() => store.Begin(1, 5, CheckpointFixture.Vectors));
        Assert.Empty(Directory.GetDirectories(_folder));
    }

    /// <summary>Only weights: moments of an optimizer may overflow before its weights do.</summary>
    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.NegativeInfinity)]
    public void Weights_that_are_not_finite_are_not_written(float bad)
    {
        using var slices = Store().BeginSlices(1, 5, CheckpointFixture.Vectors);
        float[] values = new float[476];
        values[475] = bad;
        var error = Assert.Throws<InvalidDataException>(() => slices.Write(0, new KeyRange(1024, 1500), values));
        Assert.Equal("the weights are not finite, first at element 1499: the run diverges", error.Message);
        slices.Write(16, new KeyRange(1024, 1500), values);
    }

    [Fact]
    public void A_server_writes_its_range_of_a_vector_in_order()
    {
        using var slices = Store().BeginSlices(1, 5, CheckpointFixture.Vectors);
        slices.Write(0, new KeyRange(1024, 1500), new float[476]);

        Assert.Throws<ArgumentException>(() => slices.Write(0, new KeyRange(1600, 1700), new float[100]));
        Assert.Throws<ArgumentException>(() => slices.Write(0, new KeyRange(1500, 1700), new float[100]));
        Assert.Throws<ArgumentException>(() => slices.Write(1, new KeyRange(0, 10), new float[10]));
    }

    private CheckpointStore Store() => new(Directory.CreateDirectory(Path.Combine(_folder, "job")).FullName, isShared: true);

    private static void WriteAll(string folder, Action<string> fault)
    {
        var store = new CheckpointStore(Directory.CreateDirectory(folder).FullName, fault, isShared: true);
        foreach (long step in new[] { 10, 20 })
        {
            Write(store, step);
            store.Prune(step, 1);
        }
    }

    /// <summary>Three servers write, one before the coordinator begins and two after, and the coordinator completes it.</summary>
    private static string Write(CheckpointStore store, long step, int jobEpoch = 1, Action? between = null)
    {
        var first = WriteSlices(store, jobEpoch, step, s_ranges[1]);
        using var draft = store.Begin(jobEpoch, step, CheckpointFixture.Vectors);
        draft.Describe(CheckpointFixture.Template.With(CheckpointFixture.State(step)));
        foreach (var slice in first.Concat(WriteSlices(store, jobEpoch, step, s_ranges[2])).Concat(WriteSlices(store, jobEpoch, step, s_ranges[0])))
            draft.Written(slice);
        between?.Invoke();
        return draft.Commit(new ManifestRun { WallSeconds = 1.5, StepsComputed = step });
    }

    private static IReadOnlyList<WrittenSlice> WriteSlices(CheckpointStore store, int jobEpoch, long step, KeyRange range)
    {
        using var slices = store.BeginSlices(jobEpoch, step, CheckpointFixture.Vectors);
        foreach (int part in new[] { 0, 2, 4, 16, 17 })
        {
            // in two pieces
            long middle = range.Begin + range.Length / 3;
            foreach (var piece in new[] { new KeyRange(range.Begin, middle), new KeyRange(middle, range.End) })
                slices.Write(part, piece, CheckpointFixture.Values(step, part, piece));
        }
        if (range.Begin > 0) return slices.Complete();
        foreach (int part in new[] { 1, 3, 5 }) slices.Write(part, new KeyRange(0, 9), CheckpointFixture.Values(step, part, new KeyRange(0, 9)));
        return slices.Complete();
    }

    private sealed class KilledException : Exception;
}
