using System.Globalization;
using System.Text.Json;
using DistOpt.Cli.Tests.Support;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Exchange;
using DistOpt.Core.Tests.Studies.Exchange;

namespace DistOpt.Cli.Tests.Exchange;

/// <summary>What is written is opened by Optuna, and what Optuna writes is read.</summary>
public sealed class OptunaPeerTests : IDisposable
{
    private const string Describe = """
        def describe(study):
            best = [t.number for t in study.best_trials] if len(study.directions) > 1 else [study.best_trial.number]
            return {"name": study.study_name, "directions": [d.name for d in study.directions], "best": best, "user": study.user_attrs,
                "system": study.system_attrs, "trials": [{"number": t.number, "state": t.state.name, "values": t.values or [],
                "params": {k: [type(v).__name__, v, optuna.distributions.distribution_to_json(t.distributions[k])] for k, v in t.params.items()},
                "intermediate": [[k, v] for k, v in sorted(t.intermediate_values.items())], "user": t.user_attrs,
                "constraints": t.system_attrs.get("constraints", []), "start": str(t.datetime_start), "complete": str(t.datetime_complete)}
                for t in study.get_trials(deepcopy=False)]}

        """;

    private const string OpenAndGoOn = Describe + """
        path, kind, name = sys.argv[1:4]
        storage = JournalStorage(JournalFileStorage(path)) if kind == "journal" else RDBStorage("sqlite:///" + path, skip_compatibility_check=kind == "newer")
        study = optuna.load_study(study_name=name, storage=storage)
        found = describe(study)
        # it can be gone on with
        trial = study.ask()
        trial.suggest_float("rate", 1e-5, 0.1, log=True)
        trial.report(0.5, 1) if len(study.directions) == 1 else None
        trial.set_user_attr("by", "the peer")
        study.tell(trial, [0.5] * len(study.directions))
        found["after"] = len(optuna.load_study(study_name=name, storage=storage).trials)
        print(json.dumps(found))
        """;

    private const string Write = Describe + """
        path, kind = sys.argv[1:3]
        storage = JournalStorage(JournalFileStorage(path)) if kind == "journal" else RDBStorage("sqlite:///" + path)
        optuna.create_study(study_name="empty", storage=storage)
        study = optuna.create_study(study_name="mixed", storage=storage, direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1))
        def objective(t):
            x = t.suggest_float("x", 1e-5, 1e-1, log=True)
            t.suggest_float("y", -1, 1, step=0.25)
            t.suggest_int("n", 1, 9, step=2)
            t.suggest_int("m", 1, 1000, log=True)
            c = t.suggest_categorical("c", ["relu", None, True, 2, 0.5])
            if c == "relu": t.suggest_float("only", 0, 1)
            for step, value in ((1, float("nan")), (2, float("-inf")), (5, x)): t.report(value, step)
            t.set_system_attr("constraints", [x - 0.01, -1.0])
            if t.number % 4 == 1: raise optuna.TrialPruned()
            if t.number % 4 == 2: raise ValueError("it fails")
            return float("inf") if t.number == 7 else x
        study.optimize(objective, n_trials=20, catch=(ValueError,))
        study.enqueue_trial({"x": 0.5})
        print(json.dumps(describe(study)))
        """;

    private readonly CliRun _cli = new();

    public void Dispose() => _cli.Dispose();

    [Theory]
    [InlineData("v3.0.0.d", "older")]
    [InlineData("v3.2.0.a", "newer")]
    [InlineData(null, "journal")]
    public async Task Optuna_opens_what_was_exported_and_has_every_trial_as_it_is(string? schema, string kind)
    {
        foreach (var study in (ExchangedStudy[])[ExchangeFixture.Study, ExchangeFixture.Pareto])
        {
            string path = _cli.In(study.Name);
            await StudyFiles.WriteAsync(path, study, schema is null ? StudyFormat.OptunaJournal : StudyFormat.Optuna, schema);

            var found = OptunaPeer.Run(OpenAndGoOn, path, kind, study.Name);

            Assert.Equal(study.Trials.Length + 1, found.GetProperty("after").GetInt32());
            Assert.Equal(study.Directions.Select(d => $"{d}".ToUpperInvariant()), found.GetProperty("directions").EnumerateArray().Select(d => d.GetString()));
            Assert.Equal(Attributes(study.Attributes), Attributes(found.GetProperty("user")));
            Assert.Equal(study.Metrics, found.GetProperty("system").GetProperty("study:metric_names").EnumerateArray().Select(m => m.GetString()));
            // trial 4 has 0.99; of two objectives 0 is finite and least, and infinity is the most
            Assert.Equal([study.Directions.Length == 1 ? 4 : 0], found.GetProperty("best").EnumerateArray().Select(b => b.GetInt32()));
            var trials = found.GetProperty("trials").EnumerateArray().ToList();
            Assert.Equal(study.Trials.Length, trials.Count);
            Assert.All(study.Trials.Zip(trials), pair => AssertSame(pair.First, pair.Second));
        }
    }

    [Theory]
    [InlineData("database")]
    [InlineData("journal")]
    public async Task What_Optuna_has_written_is_read_with_every_trial_as_it_is(string kind)
    {
        string path = _cli.In("theirs");
        var written = OptunaPeer.Run(Write, path, kind);

        Assert.Equal(["'empty'", "'mixed'"], (await Errors(path, null)).Split("name one of ")[1].Split(", ").Select(n => $"'{n}'"));
        Assert.Contains("'mixd' is no study of", await Errors(path, "mixd"));
        Assert.Contains("did you mean 'mixed'?", await Errors(path, "mixd"));
        var study = await StudyFiles.ReadAsync(path, "mixed");

        Assert.Equal([Direction.Maximize], study.Directions.Select(d => d!.Value));
        Assert.Equal(21, study.Trials.Length);
        Assert.All(study.Trials.Zip(written.GetProperty("trials").EnumerateArray()), pair => AssertSame(pair.First, pair.Second, isOurs: false));
        Assert.Equal((10, 5, 5, 1), (Count(ExchangedState.Complete), Count(ExchangedState.Pruned), Count(ExchangedState.Fail), Count(ExchangedState.Waiting)));

        int Count(ExchangedState state) => study.Trials.Count(t => t.State == state);
    }

    private static async Task<string> Errors(string path, string? name) =>
        string.Join('\n', (await Assert.ThrowsAsync<SpecException>(() => StudyFiles.ReadAsync(path, name))).Violations.Select(v => v.ToString()));

    private static void AssertSame(ExchangedTrial ours, JsonElement theirs, bool isOurs = true)
    {
        Assert.Equal(ours.Number, theirs.GetProperty("number").GetInt32());
        Assert.Equal(ours.State.ToString().ToUpperInvariant(), theirs.GetProperty("state").GetString());
        Assert.Equal(ours.Values, theirs.GetProperty("values").EnumerateArray().Select(OptunaJson.Number));
        Assert.Equal(ours.Constraints, theirs.GetProperty("constraints").EnumerateArray().Select(OptunaJson.Number));
        Assert.Equal(ours.Intermediate.Select(r => (r.Step, r.Value)),
            theirs.GetProperty("intermediate").EnumerateArray().Select(r => (r[0].GetInt64(), OptunaJson.Number(r[1]))));
        var parameters = theirs.GetProperty("params");
        Assert.Equal(ours.Parameters.Select(p => p.Name).Order(StringComparer.Ordinal),
            parameters.EnumerateObject().Select(p => p.Name).Order(StringComparer.Ordinal));
        foreach (var parameter in ours.Parameters)
        {
            var (type, value, distribution) = (parameters.GetProperty(parameter.Name)[0].GetString(),
                OptunaJson.Value(parameters.GetProperty(parameter.Name)[1]),
                parameters.GetProperty(parameter.Name)[2].GetString()!);
            string expected = parameter.Value switch { null => "NoneType", bool => "bool", long => "int", double => "float", _ => "str" };
            Assert.Equal((expected, Text(parameter.Value)), (type, Text(value)));
            // order of fields and spelling of numbers apart
            Assert.Equal(OptunaJson.Distribution(parameter.Domain!), OptunaJson.Distribution(OptunaJson.Distribution(distribution)));
        }
        if (!isOurs) return;
        Assert.Equal(Attributes(OptunaJournal.UserAttributes(ours)), Attributes(theirs.GetProperty("user")));
        // the journal's have an offset
        Assert.Equal(Time(ours.Started), theirs.GetProperty("start").GetString()!.Split('+')[0]);
        Assert.Equal(Time(ours.Ended), theirs.GetProperty("complete").GetString()!.Split('+')[0]);
    }

    private static string Text(object? value) => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";

    /// <summary>As Python shows a time.</summary>
    private static string Time(DateTime? time) => time is not { } given ? "None"
        : given.ToString(given.Ticks % TimeSpan.TicksPerSecond == 0 ? "yyyy-MM-dd HH:mm:ss" : "yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture);

    private static string[] Attributes(IEnumerable<KeyValuePair<string, object?>> attributes) =>
        [.. attributes.Select(a => $"{a.Key}={OptunaJson.Text(a.Value)}").Order(StringComparer.Ordinal)];

    private static string[] Attributes(JsonElement attributes) => Attributes(attributes.EnumerateObject().Select(a => new KeyValuePair<string, object?>(a.Name,
        a.Value.ValueKind == JsonValueKind.Array ? a.Value.EnumerateArray().Select(OptunaJson.Value).ToList() : OptunaJson.Value(a.Value))));
}
