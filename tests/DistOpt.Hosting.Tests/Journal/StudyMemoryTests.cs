using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Studies.Functions;
using DistOpt.Hosting.Journal;
using DistOpt.Hosting.Tests.Support;

namespace DistOpt.Hosting.Tests.Journal;

/// <summary>A study over a function keeps its history and nothing else.</summary>
[Collection(nameof(WholeProcess))]
public sealed class StudyMemoryTests : IDisposable
{
    private const int Round = 20_000;

    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-memory-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>
    /// The bytes themselves, and not only that they stay the same: a trial's numbers and values, its parameters, and places of it in orders and lists.
    /// </summary>
    [Fact]
    public async Task Each_trial_in_memory_leaves_the_few_bytes_of_its_history()
    {
        var space = new SearchSpace(Enumerable.Range(0, 3).Select(i => new SearchParameter($"p{i}", new FloatDomain(0, 1))));
        var study = new FunctionStudy(new FunctionStudyOptions { Space = space, Parallel = 8, Sampler = new("random") });
        async Task RunAsync()
        {
            var status = await study.RunAsync(trial => trial.Float("p0"), trials: Round, cancellationToken: Token);
            Assert.Equal(0, status.Counts.Failed + status.Counts.Running);
        }
        await RunAsync();
        await Memory.StopsGrowingAsync(RunAsync, Round, managed: 500, native: 500);
    }

    /// <summary>Over 100,000 trials and more: what a trial leaves does not grow with the number of trials.</summary>
    [Fact]
    [Trait("Category", "Long")]
    public async Task Each_of_a_hundred_thousand_journaled_trials_leaves_the_few_bytes_of_its_history()
    {
        using var journal = StudyJournal.Open(Path.Combine(_folder, "study.db"));
        var study = new FunctionStudy(new FunctionStudyOptions { Parallel = 8, Sampler = new("random") }, journal);
        async Task RunAsync()
        {
            var status = await study.RunAsync(trial => trial.SuggestFloat("x", 0, 1) + trial.SuggestInt("n", 0, 9), trials: Round, cancellationToken: Token);
            Assert.Equal(0, status.Counts.Failed + status.Counts.Running);
        }
        await RunAsync();
        await Memory.StopsGrowingAsync(RunAsync, Round, managed: 400, native: 100, roundsMin: 5);
        Assert.True(study.Status().Counts.Complete >= 6 * Round);
    }
}
