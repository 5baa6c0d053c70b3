using DistOpt.Core.Checkpoints;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;

namespace DistOpt.Core.Tests.Checkpoints;

public sealed class CheckpointStoreTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_checkpoint_gives_back_every_value_and_the_whole_state()
    {
        var store = new CheckpointStore(_folder);
        string path = CheckpointFixture.Write(store, 12);

        using var checkpoint = store.OpenNewest([])!;

        Assert.Equal(path, checkpoint.Path);
        CheckpointFixture.AssertHolds(checkpoint, 12);
        Assert.Equal(8, checkpoint.Vectors.Count);
        var (expected, read) = (CheckpointFixture.State(12), checkpoint.Manifest.State);
        Assert.Equal(expected with { SinceRow = read.SinceRow }, read);
        Assert.Equal(expected.SinceRow, read.SinceRow);
        Assert.Equal((1, 17, 48), (checkpoint.Manifest.Epoch, checkpoint.Manifest.BatchStart, checkpoint.Manifest.BatchSize));
        Assert.Equal(1.5, checkpoint.Manifest.Run.WallSeconds);
    }

    [Fact]
    public void Any_range_of_a_vector_can_be_read()
    {
        var store = new CheckpointStore(_folder);
        CheckpointFixture.Write(store, 5);
        using var checkpoint = store.OpenNewest([])!;
        var range = new KeyRange(1000, 1100);
        var read = new float[100];

        checkpoint.Read(CheckpointPart.Slot(1), range, read);

        Assert.Equal(CheckpointFixture.Values(5, CheckpointPart.Slot(1), range), read);
    }

    [Fact]
    public void The_files_are_safetensors_under_the_names_of_the_model()
    {
        string path = CheckpointFixture.Write(new CheckpointStore(_folder), 5);

        using var file = SafetensorsFile.Open(Path.Combine(path, "optimizer-exp_avg.safetensors"));
        var bias = new float[40];
        file.ReadFloat32("b", bias);

        Assert.Equal(CheckpointFixture.Values(5, CheckpointPart.Slot(0), new KeyRange(2400, 2440)), bias);
        using var buffers = SafetensorsFile.Open(Path.Combine(path, "buffers.safetensors"));
        Assert.Equal(SafetensorsType.I64, buffers.Get("count").Type);
    }

    [Fact]
    public void Without_selected_weights_their_files_are_not_there()
    {
        var store = new CheckpointStore(_folder);
        using (var draft = store.Begin(1, 4, CheckpointFixture.Vectors))
        {
            foreach (int part in new[] { 0, 2, 4, 16, 17 }) draft.Write(part, new KeyRange(0, 2440), CheckpointFixture.Values(4, part, new KeyRange(0, 2440)));
            draft.Describe(CheckpointFixture.Template.With(CheckpointFixture.State(4, selected: null)));
            foreach (int part in new[] { 1, 5 }) draft.Write(part, new KeyRange(0, 9), CheckpointFixture.Values(4, part, new KeyRange(0, 9)));
            draft.Commit(new ManifestRun());
        }
        using var checkpoint = store.OpenNewest([])!;

        Assert.False(checkpoint.Manifest.State.HasSelected);
        Assert.DoesNotContain(Directory.GetFiles(checkpoint.Path), f => Path.GetFileName(f).StartsWith("selected"));
        CheckpointFixture.AssertHolds(checkpoint, 4);
    }

    [Fact]
    public void The_latest_ones_are_kept_and_later_ones_of_a_course_given_up_go()
    {
        var store = new CheckpointStore(_folder);
        foreach (long step in new[] { 10, 20, 30, 40 }) CheckpointFixture.Write(store, step);

        store.Prune(newest: 30, keep: 2);

        Assert.Equal([30, 20], store.Steps());
        Assert.DoesNotContain(Directory.GetDirectories(_folder), d => Path.GetFileName(d).StartsWith('.'));
    }

    [Fact]
    public void Weights_that_are_not_finite_are_not_written_and_the_checkpoint_before_stays()
    {
        var store = new CheckpointStore(_folder);
        CheckpointFixture.Write(store, 3);
        float[] values = CheckpointFixture.Values(4, 0, new KeyRange(0, 1024));
        values[1000] = float.PositiveInfinity;

        using (var draft = store.Begin(1, 4, CheckpointFixture.Vectors))
        {
            draft.Write(16, new KeyRange(0, 1024), values);
            var error = Assert.Throws<InvalidDataException>(() => draft.Write(0, new KeyRange(0, 1024), values));
            Assert.Equal("the weights are not finite, first at element 1000: the run diverges", error.Message);
        }

        using var newest = store.OpenNewest([])!;
        CheckpointFixture.AssertHolds(newest, 3);
    }

    [Fact]
    public void A_sound_checkpoint_of_the_step_stays_and_a_bad_one_is_replaced()
    {
        var store = new CheckpointStore(_folder);
        string path = CheckpointFixture.Write(store, 10);
        var written = File.GetLastWriteTimeUtc(Path.Combine(path, "weights.safetensors"));
        CheckpointFixture.Write(store, 10, jobEpoch: 2);
        Assert.Equal(written, File.GetLastWriteTimeUtc(Path.Combine(path, "weights.safetensors")));

        File.WriteAllText(Path.Combine(path, "weights.safetensors"), "torn");
        CheckpointFixture.Write(store, 10, jobEpoch: 3);

        using var checkpoint = store.OpenNewest([])!;
        CheckpointFixture.AssertHolds(checkpoint, 10);
    }

    /// <summary>The writer ends before each of its operations on the disk in turn, as if the process were killed there.</summary>
    [Fact]
    public void Wherever_the_writer_is_killed_the_newest_complete_checkpoint_is_found_and_the_next_writer_goes_on()
    {
        var operations = new List<string>();
        using (var counted = new TemporaryStore(operations.Add))
        {
            counted.WriteAll(10, 20, 30);
        }
        Assert.InRange(operations.Count, 60, 500);
        for (int kill = 0; kill < operations.Count; kill++)
        {
            int now = 0;
            using var store = new TemporaryStore(_ =>
            {
                if (now++ == kill) throw new KilledException();
            });
            Assert.Throws<KilledException>(() => store.WriteAll(10, 20, 30));

            var skipped = new List<SkippedCheckpoint>();
            var after = new CheckpointStore(store.Folder);
            using (var found = after.OpenNewest(skipped))
            {
                Assert.Empty(skipped);
                long complete = operations.Take(kill).Count(o => o == "rename into place") * 10;
                Assert.Equal(complete == 0 ? null : complete, found?.Step);
                if (found is not null) CheckpointFixture.AssertHolds(found, found.Step);
            }
            CheckpointFixture.Write(after, 40);
            after.Prune(40, 2);
            using var last = after.OpenNewest(skipped)!;
            CheckpointFixture.AssertHolds(last, 40);
            Assert.DoesNotContain(Directory.GetDirectories(store.Folder), d => Path.GetFileName(d).StartsWith('.'));
        }
    }

    /// <summary>One bit in each of many places of every file.</summary>
    [Fact]
    public void A_flipped_bit_anywhere_is_noticed_and_the_one_before_is_used()
    {
        var store = new CheckpointStore(_folder);
        CheckpointFixture.Write(store, 10);
        string newest = CheckpointFixture.Write(store, 20);
        int flips = 0;
        foreach (string file in Directory.GetFiles(newest))
        {
            byte[] sound = File.ReadAllBytes(file);
            int stride = Math.Max(1, sound.Length / 60);
            for (int at = 0; at < sound.Length; at += stride, flips++)
            {
                byte[] altered = [.. sound];
                altered[at] ^= (byte)(1 << (at % 8));
                File.WriteAllBytes(file, altered);
                var skipped = new List<SkippedCheckpoint>();
                using var found = store.OpenNewest(skipped);
                Assert.True(found?.Step == 10, $"bit flipped at {at} of {file}: step {found?.Step} was taken");
                Assert.Contains(Path.GetFileName(newest), Assert.Single(skipped).ToString());
            }
            File.WriteAllBytes(file, sound);
        }
        Assert.InRange(flips, 300, 2000);
        using var again = store.OpenNewest([]);
        Assert.Equal(20, again!.Step);
    }

    [Fact]
    public void Files_that_are_cut_off_or_missing_are_named_and_where_none_is_left_it_is_said()
    {
        var store = new CheckpointStore(_folder);
        string one = CheckpointFixture.Write(store, 10);
        string two = CheckpointFixture.Write(store, 20);
        using (var cut = File.OpenWrite(Path.Combine(one, "weights.safetensors"))) cut.SetLength(5000);
        File.Delete(Path.Combine(two, "optimizer-exp_avg_sq.safetensors"));
        var skipped = new List<SkippedCheckpoint>();

        Assert.Null(store.OpenNewest(skipped));

        Assert.Equal(2, skipped.Count);
        Assert.Contains("optimizer-exp_avg_sq.safetensors is missing", skipped[0].Reason);
        Assert.Contains("weights.safetensors has 5000 bytes", skipped[1].Reason);
    }

    [Fact]
    public void A_newer_format_is_refused_by_its_number()
    {
        var store = new CheckpointStore(_folder);
        string path = CheckpointFixture.Write(store, 10);
        string manifest = Path.Combine(path, CheckpointManifest.FileName);
        byte[] newer = System.Text.Encoding.UTF8.GetBytes(File.ReadAllText(manifest).Replace("\"format_version\": 1", "\"format_version\": 99"));
        File.WriteAllBytes(manifest, newer);
        File.WriteAllBytes(Path.Combine(path, CheckpointManifest.HashFileName), CheckpointManifest.HashLine(newer));
        var skipped = new List<SkippedCheckpoint>();

        Assert.Null(store.OpenNewest(skipped));

        Assert.Contains("format version 99", Assert.Single(skipped).Reason);
    }

    /// <summary>As a build may that is one minor version on.</summary>
    [Fact]
    public void Fields_of_a_newer_build_within_the_same_format_are_passed_over()
    {
        string manifest = System.Text.Encoding.UTF8.GetString(CheckpointFixture.Template.With(CheckpointFixture.State(10)).ToBytes());
        string newer = manifest.Replace("\"format_version\": 1,", "\"format_version\": 1,\n\"later\": { \"a\": [1] },")
            .Replace("\"evaluated\": true,", "\"evaluated\": true,\n\"later\": 1,");
        Assert.Equal(2, newer.Split("\"later\"").Length - 1);

        var read = CheckpointManifest.Parse(System.Text.Encoding.UTF8.GetBytes(newer));

        Assert.Equal(manifest, System.Text.Encoding.UTF8.GetString(read.ToBytes()));
    }

    [Fact]
    public void A_model_with_other_tensors_is_refused()
    {
        var store = new CheckpointStore(_folder);
        CheckpointFixture.Write(store, 10);
        using var checkpoint = store.OpenNewest([])!;
        var other = new ParameterLayout([new TensorSlot("w", [61, 40], 0, 2440)], CheckpointFixture.Layout.Buffers);

        var state = new StateLayout(other, new UpdateRule(new Adam(new AdamOptions())), hasAverage: true);
        Assert.Throws<InvalidDataException>(() => checkpoint.CheckLayout(state));
    }

    private sealed class KilledException : Exception;

    private sealed class TemporaryStore(Action<string> fault) : IDisposable
    {
        public string Folder { get; } = Directory.CreateTempSubdirectory("distopt-").FullName;

        public void WriteAll(params long[] steps)
        {
            var store = new CheckpointStore(Folder, fault);
            foreach (long step in steps)
            {
                CheckpointFixture.Write(store, step);
                store.Prune(step, 2);
            }
        }

        public void Dispose() => Directory.Delete(Folder, recursive: true);
    }
}
