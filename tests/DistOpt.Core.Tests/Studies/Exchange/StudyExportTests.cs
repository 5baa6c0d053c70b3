using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Exchange;
using DistOpt.Core.Tests.Studies.Engine;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Tests.Studies.Exchange;

public sealed class StudyExportTests
{
    private static readonly DateTime s_begin = new(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    [Fact]
    public void Trials_have_their_state_values_reports_times_and_attributes()
    {
        var setup = EngineFixture.Random(parallel: 6) with { Enqueued = [[0.5, 0.25]], Pruners = EngineFixture.Threshold(5), MaxAttempts = 2 };
        var study = new EngineFixture(setup);
        var orders = Enumerable.Range(0, 6).Select(_ => study.Order()).ToList();
        study.Report(orders[0], 1, double.NaN);
        study.Report(orders[1], 1, 4);
        study.Report(orders[1], 2, 9);
        study.Engine.Report(orders[2].Id, 1, [3], seconds: 2);
        study.Engine.Complete(orders[2].Id, [double.NegativeInfinity], [-1, 0.5], seconds: 4);
        study.Engine.Fail(orders[3].Id, hasDiverged: false, "it threw");
        study.Engine.Cancel(null, 4);
        study.Report(orders[5], 1, 2);

        var trials = Export(study).Trials;

        // a report that is NaN does not go beyond the pruner
        Assert.Equal([ExchangedState.Pruned, ExchangedState.Pruned, ExchangedState.Complete, ExchangedState.Fail, ExchangedState.Fail, ExchangedState.Running],
            trials.Select(t => t.State));
        Assert.Equal(Enumerable.Range(0, 6), trials.Select(t => t.Number));
        Assert.Empty(trials[0].Values);
        // as in Optuna a pruned trial has the value that it last reported
        Assert.Equal([9.0], trials[1].Values);
        Assert.Equal([new Report(1, 4), new Report(2, 9)], trials[1].Intermediate);
        Assert.Equal([double.NegativeInfinity], trials[2].Values);
        Assert.Equal([-1, 0.5], trials[2].Constraints);
        Assert.Equal(4, trials[2].Seconds);
        Assert.Equal([new Report(1, 2)], trials[5].Intermediate);
        Assert.Null(trials[5].Ended);
        Assert.Equal(["cause=pruned", "attempts=1", "enqueued=True"], trials[0].Attributes.Select(a => $"{a.Key}={a.Value}"));
        Assert.Equal(["cause=threw", "error=it threw", "attempts=1"], trials[3].Attributes.Select(a => $"{a.Key}={a.Value}"));
        Assert.Equal(["cause=cancelled", "attempts=1"], trials[4].Attributes.Select(a => $"{a.Key}={a.Value}"));
        Assert.Equal(["x=0.5", "y=0.25"], trials[0].Parameters.Select(p => FormattableString.Invariant($"{p.Name}={p.Value}")));
        // the time of an event is its place in the journal
        Assert.All(trials, t => Assert.Equal(At(study, e => e is StudyEvent.Started s && s.Trial == t.Number), t.Started));
        Assert.Equal(At(study, e => e is StudyEvent.Ended { Trial: 2 }), trials[2].Ended);
    }

    [Fact]
    public void A_trial_of_a_deterministic_study_has_ended_when_it_was_over_and_not_when_it_counted()
    {
        var study = new EngineFixture(EngineFixture.Random(deterministic: true));
        var (first, second) = (study.Order(), study.Order());
        study.Complete(second, 2);
        study.Complete(first, 1);
        study.Order();
        study.Order();
        var trials = Export(study).Trials;
        Assert.Equal(At(study, e => e is StudyEvent.Finished { Outcome.Trial: 1 }), trials[1].Ended);
        Assert.NotEqual(At(study, e => e is StudyEvent.Ended { Trial: 1 }), trials[1].Ended);
    }

    [Fact]
    public void A_study_spec_tells_parameters_by_their_paths_and_what_was_searched()
    {
        var spec = StudyFixture.Parse(StudyFixture.Digits);
        double[] values = spec.Values(("optimizer.learning_rate", 0.001), ("optimizer.kind", "adam"), ("optimizer.beta1", 0.85), ("model.hidden.length", 2L),
            ("model.hidden[0]", 64L), ("model.hidden[1]", 32L), ("model.activation", "leaky_relu"), ("batch.size", 64L), ("training.epochs", 5L));
        var study = StudyExport.Of("digits-1", spec,
        [
            new(new StudyEvent.Started(0, [.. values], 9, 0, false), s_begin),
            new(new StudyEvent.Ended(0, TrialState.Complete, TrialEndCause.Done, [0.5], [], null, 1), s_begin.AddSeconds(1)),
            new(new StudyEvent.AttributeSet(0, "odd", "true"), s_begin.AddSeconds(2)),
            new(new StudyEvent.AttributeSet(null, "owner", "\"me\""), s_begin.AddSeconds(2)),
            new(new StudyEvent.StudyEnded(StudyStopReason.Trials), s_begin),
        ]);
        Assert.Equal(["validation.accuracy"], study.Metrics);
        Assert.Equal([Direction.Maximize], study.Directions.Select(d => d!.Value));
        var named = study.Trials[0].Parameters.ToDictionary(p => p.Name, p => p.Value);
        // under conditions that do not hold there is no value, and lists have only the elements that they have
        Assert.Equal((string[])["batch.size", "model.activation", "model.hidden.length", "model.hidden[0]", "model.hidden[1]", "optimizer.beta1", "optimizer.kind",
            "optimizer.learning_rate", "training.epochs"], named.Keys.Order(StringComparer.Ordinal));
        Assert.Equal((64L, 2L, "adam"), (named["batch.size"], named["model.hidden.length"], named["optimizer.kind"]));
        Assert.Equal("trials", study.Attributes.Single(a => a.Key == "stop_reason").Value);
        Assert.Equal("tpe", study.Attributes.Single(a => a.Key == "sampler").Value);
        Assert.Equal("me", study.Attributes.Single(a => a.Key == "owner").Value);
        Assert.Equal(true, study.Trials[0].Attributes.Single(a => a.Key == "odd").Value);
        // what is exported can be imported
        var import = StudyImport.Of(spec, study, "other", new Dictionary<string, string>());
        Assert.Equal(values, Assert.Single(import.Trials).Parameters);
        Assert.Empty(import.Misfits);
    }

    /// <summary>One that has ended and one that goes on.</summary>
    [Fact]
    public void A_trial_that_has_copied_others_has_its_schedule_as_an_attribute()
    {
        var exploit = new Exploit(0, 4, [0.75, 0.25]);
        StudyEvent[] events =
        [
            new StudyEvent.Started(0, [0.5, 0.25], 4, 0, false),
            new StudyEvent.Started(1, [0.125, 0.25], 4, 0, false),
            new StudyEvent.Started(2, [0.125, 0.25], 4, 0, false),
            new StudyEvent.Promoted(1, 8, exploit),
            new StudyEvent.Promoted(2, 8, exploit),
            new StudyEvent.Ended(1, TrialState.Complete, TrialEndCause.Done, [0.5], [], null, 1),
        ];
        var trials = StudyExport.Of("s", EngineFixture.Space, [Direction.Minimize], events.Select(e => new TimedEvent(e, null))).Trials;
        Assert.DoesNotContain(trials[0].Attributes, a => a.Key == "exploits");
        foreach (var trial in trials[1..])
        {
            Assert.Equal("""[{"step":4,"donor":0,"from":{"x":0.125,"y":0.25},"to":{"x":0.75,"y":0.25}}]""",
                OptunaJson.Text(trial.Attributes.Single(a => a.Key == "exploits").Value));
        }
    }

    private static ExchangedStudy Export(EngineFixture study) => StudyExport.Of("s", EngineFixture.Space, study.Setup.Context.Directions,
        study.Journal.Select((e, i) => new TimedEvent(e, s_begin.AddSeconds(i))));

    private static DateTime At(EngineFixture study, Predicate<StudyEvent> which) => s_begin.AddSeconds(study.Journal.FindIndex(which));
}
