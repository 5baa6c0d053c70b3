using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Functions;

namespace DistOpt.Core.Tests.Studies.Functions;

/// <summary>Studies over functions whose code changes.</summary>
public sealed class FunctionStudyCodeTests
{
    private static readonly string s_here = $"DistOpt.Core.Tests {typeof(FunctionStudyCodeTests).Module.ModuleVersionId:N}";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Whichever way it is given: this library's own wrappers are not the user's code.</summary>
    [Fact]
    public async Task The_assembly_of_the_function_is_noted_once_before_the_first_trial()
    {
        foreach (var run in (Func<FunctionStudy, Task<StudyStatus>>[])
        [
            s => s.RunAsync(trial => trial.Float("x"), cancellationToken: Token),
            s => s.RunAsync((trial, _) => Task.FromResult(trial.Float("x")), cancellationToken: Token),
            s => s.RunAsync((trial, _) => Task.FromResult<double[]>([trial.Float("x")]), cancellationToken: Token),
        ])
        {
            var journal = new ListJournal();
            for (int trials = 1; trials <= 3; trials++) await run(new FunctionStudy(SomeStudy.Setup(trials), journal));
            Assert.Equal(s_here, Assert.Single(journal.Events.OfType<StudyEvent.CodeAccepted>()).Code);
            Assert.True(journal.Events.FindIndex(e => e is StudyEvent.CodeAccepted) < journal.Events.FindIndex(e => e is StudyEvent.Started));
            Assert.All(await ExportedAsync(journal), t => Assert.DoesNotContain(t.Attributes, a => a.Key == "code"));
        }
        Assert.Equal("DistOpt.Core", FunctionStudy.CodeOf(FunctionStudy.CodeOf)!.Split(' ')[0]);
    }

    [Fact]
    public async Task Other_code_is_refused_and_nothing_happens_or_it_is_accepted_and_its_trials_say_so()
    {
        var journal = new ListJournal();
        await Open("old").RunAsync(trial => 1, trials: 2, cancellationToken: Token);
        int events = journal.Events.Count;
        Assert.Equal("code: is new, but trials of the study ran old; set AcceptNewCode to go on with the new code, which the trials that run it then note, "
            + "or go on with the program as it was", Assert.Throws<SpecException>(() => Open("new")).Message);
        Assert.Equal(events, journal.Events.Count);
        // the same if the code is only known by the function
        var study = Open(null);
        events = journal.Events.Count;
        Assert.StartsWith($"code: is {s_here}, but trials of the study ran old", (await Assert.ThrowsAsync<SpecException>(
            () => study.RunAsync(trial => 1, cancellationToken: Token))).Message);
        Assert.Equal(events, journal.Events.Count);
        Assert.NotNull(study.Ask());

        await Open("old").RunAsync(trial => 1, trials: 1, cancellationToken: Token);
        await Open("new", accepts: true).RunAsync(trial => 1, trials: 2, cancellationToken: Token);
        // it is the study's code now
        var status = await Open("new").RunAsync(trial => 1, cancellationToken: Token);
        Assert.Equal((8, 8), (status.Counts.Complete, status.Started));
        Assert.Equal(["old", "new"], journal.Events.OfType<StudyEvent.CodeAccepted>().Select(c => c.Code));
        var code = (await ExportedAsync(journal)).Select(t => t.Attributes.FirstOrDefault(a => a.Key == "code").Value is IEnumerable<int> versions
            ? string.Join(' ', versions) : "").ToList();
        Assert.Equal(["", ""], code[..2]);
        Assert.Equal(["1", "1", "1"], code[5..]);

        // a study that has ended runs nothing, and may be looked at by any program
        Assert.Equal(8, Open("newer").Trials.Count);
        Assert.Equal(StudyStopReason.Trials, (await Open(null).RunAsync(trial => 1, cancellationToken: Token)).End);
        Assert.Throws<SpecException>(() => Open("newer", trials: 9));

        FunctionStudy Open(string? code, bool accepts = false, int trials = 8) =>
            new(SomeStudy.Setup(trials, parallel: 1) with { Code = code, AcceptsNewCode = accepts }, journal);
    }

    [Fact]
    public void Options_say_it_too()
    {
        var options = new FunctionStudyOptions { Space = SomeStudy.Space, Trials = 3, Code = "one" };
        var journal = new ListJournal();
        new FunctionStudy(options, journal).Ask();
        Assert.Throws<SpecException>(() => new FunctionStudy(options with { Code = "two" }, journal));
        Assert.NotNull(new FunctionStudy(options with { Code = "two", AcceptNewCode = true }, journal).Ask());
    }

    [Fact]
    public async Task A_study_without_a_journal_has_no_code_to_compare()
    {
        var study = new FunctionStudy(SomeStudy.Setup(trials: 2));
        await study.RunAsync(trial => 1, trials: 1, cancellationToken: Token);
        Assert.Equal(2, (await study.RunAsync(new TrialFunction((_, _) => Task.FromResult<double[]>([1])), cancellationToken: Token)).Counts.Complete);
    }

    private static async Task<IReadOnlyList<Core.Studies.Exchange.ExchangedTrial>> ExportedAsync(ListJournal journal)
    {
        await journal.StoredAsync();
        return Core.Studies.Exchange.StudyExport.Of("s", journal.Declared!, journal.Stored()).Trials;
    }
}
