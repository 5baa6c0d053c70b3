using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Hosting.Processes;
using DistOpt.Hosting.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistOpt.Hosting.Tests.Processes;

/// <summary>What a process has ended with is opened by another process first. The end-to-end tests do it with models that abort.</summary>
public sealed class GuardedRuntimesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;
    private readonly TrainingSpec _spec = LinearParts.Of(new LinearRuntime()).Specs.Read(LinearParts.Yaml());

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void What_is_no_suspect_is_opened_at_once_and_is_marked_only_while_it_is_opened()
    {
        var inner = new Opener(() => Assert.Single(Directory.GetFiles(_folder, "*.opening")));
        var runtimes = Guarded(inner, new Rehearsal(_ => throw new InvalidOperationException("nobody is suspect")));

        using var runtime = runtimes.Open(_spec);

        Assert.Same(inner.Runtime, runtime);
        Assert.Empty(Directory.GetFiles(_folder));
    }

    [Fact]
    public void An_exception_of_user_code_leaves_no_suspicion()
    {
        var runtimes = Guarded(new Opener(() => throw new InvalidOperationException("the user's")), new Rehearsal(_ => "it has ended"));

        Assert.Throws<InvalidOperationException>(() => runtimes.Open(_spec));

        Assert.Empty(Directory.GetFiles(_folder));
    }

    [Fact]
    public void What_ends_the_other_process_too_is_refused_with_its_last_words_each_time_and_is_not_opened_here()
    {
        EndWhileOpening();
        var inner = new Opener(() => Assert.Fail("it was opened"));
        var rehearsal = new Rehearsal(_ => "process 0 (pid 7) ended with exit code 134 (SIGABRT)");

        for (int i = 0; i < 2; i++)
        {
            var refused = Assert.Throws<SpecException>(() => Guarded(inner, rehearsal).Open(_spec));
            var violation = Assert.Single(refused.Violations);
            Assert.Equal("model", violation.Path);
            Assert.Contains("had ended while it opened data ", violation.Message);
            Assert.EndsWith("has ended too: process 0 (pid 7) ended with exit code 134 (SIGABRT)", violation.Message);
        }

        Assert.Equal(2, rehearsal.Tried.Count);
    }

    /// <summary>The process was killed by somebody else, say.</summary>
    [Fact]
    public void What_the_other_process_opens_is_opened_here_and_trusted_again_after_a_while()
    {
        EndWhileOpening();
        var inner = new Opener(() => { });
        var rehearsal = new Rehearsal(_ => null);
        var runtimes = Guarded(inner, rehearsal);

        for (int i = 0; i < OpeningMarks.CleanOpenings + 4; i++) Assert.Same(inner.Runtime, runtimes.Open(_spec));

        Assert.Equal(OpeningMarks.CleanOpenings, rehearsal.Tried.Count);
        Assert.All(rehearsal.Tried, s => Assert.Same(_spec, s));
        Assert.Empty(Directory.GetFiles(_folder));
    }

    private void EndWhileOpening()
    {
        byte[]? kept = null;
        string name = "";
        var runtimes = Guarded(new Opener(() =>
        {
            name = Assert.Single(Directory.GetFiles(_folder, "*.opening"));
            kept = File.ReadAllBytes(name);
        }), new Rehearsal(_ => null));
        runtimes.Open(_spec);
        // as it stands where the process ends there
        File.WriteAllBytes(name, kept!);
    }

    private GuardedRuntimes Guarded(IJobRuntimeFactory inner, IOpeningRehearsal rehearsal) =>
        new(inner, LinearParts.Of(new LinearRuntime()).Specs, new OpeningMarks(_folder, NullLogger.Instance), rehearsal);

    private sealed class Opener(Action open) : IJobRuntimeFactory
    {
        public LinearRuntime Runtime { get; } = new();

        public IJobRuntime Open(TrainingSpec spec)
        {
            open();
            return Runtime;
        }
    }

    private sealed class Rehearsal(Func<TrainingSpec, string?> tryIt) : IOpeningRehearsal
    {
        public List<TrainingSpec> Tried { get; } = [];

        public string? Try(TrainingSpec spec)
        {
            Tried.Add(spec);
            return tryIt(spec);
        }
    }
}
