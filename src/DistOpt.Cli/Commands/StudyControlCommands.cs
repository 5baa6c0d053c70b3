using System.CommandLine;
using System.Globalization;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Specs.Yaml;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Hosting.Journal;
using DistOpt.Hosting.Studies;

namespace DistOpt;

/// <summary>
/// <c>pause</c>, <c>resume</c>, <c>cancel</c>, <c>set</c> and <c>enqueue</c>: commands to a study that goes on, on a cluster or in a process of this machine;
/// and <c>cancel</c> also to a job of a cluster.
/// </summary>
internal static class StudyControlCommands
{
    public static Command Pause(Bind bind) =>
        OfTrial(bind, "pause", "Pauses a study, or one trial: attempts end with a checkpoint at their next report", "paused", "Only this trial");

    public static Command Resume(Bind bind)
    {
        var trial = Trial("Only this trial");
        var accept = new Option<bool>("--accept-new-code") { Description = "Go on although the code of the program has changed since the study's trials ran" };
        return Create(bind, "resume", "Goes on with a study, or one trial, that 'pause' has paused, or with a study on a cluster that has failed", "goes on", [trial, accept], parse =>
        {
            if (parse.GetValue(accept) && parse.GetValue(trial) is not null)
                throw new SpecException("--accept-new-code", "is given beside --trial: code is accepted for the whole study; leave one away");
            return parse.GetValue(accept) ? Body(json => json.WriteBoolean("accept_new_code", true)) : BodyOf(parse, trial);
        });
    }

    public static Command Cancel(Bind bind) => OfTrial(bind, "cancel", "Ends a job, a study, or one trial of a study", "cancelled", "Only this trial of the study");

    public static Command Set(Bind bind)
    {
        var parallel = new Option<int?>("--parallel") { Description = "Trials that run at a time from now on", HelpName = "n" };
        var trials = new Option<int?>("--trials") { Description = "Trials in all, at least those that have begun", HelpName = "n" };
        var space = new Option<string?>("--space")
        {
            Description = "YAML file with the wider space: of trials from now on; an added parameter says with default: what earlier trials had",
            HelpName = "file",
        };
        var from = new Option<int?>("--from-trial") { Description = "Of a deterministic study: number of the trial from which on it holds; default: the next one", HelpName = "n" };
        var attribute = new Option<string[]>("--attribute")
        {
            Description = "Something to be known of the study, or of the trial of --trial, as name=value; exports have it",
            HelpName = "name=value",
        };
        var trial = Trial("Of --attribute: the trial that it is of");
        return Create(bind, "set", "Changes how many trials of a study run at a time, or how many it is to have, widens its space, or notes something",
            "set", [parallel, trials, space, from, attribute, trial], parse =>
        {
            var violations = new ViolationCollector();
            if (parse.GetValue(attribute) is { Length: > 0 } notes)
            {
                string[] beside = [.. ((Option[])[parallel, trials, space, from]).Where(o => parse.GetResult(o) is { Implicit: false }).Select(o => o.Name)];
                if (beside.Length > 0) violations.Add("--attribute", $"is given beside {string.Join(", ", beside)}; set one after the other");
                if (parse.GetValue(trial) is < 0) violations.Add("--trial", $"is {parse.GetValue(trial)}, but must be at least 0");
                var entries = Entries(notes, "is no attribute; write name=value, such as note=slow", violations);
                violations.ThrowIfAny();
                string note = $"attributes: {SpecYamlText.Inline(new MappingNode([.. entries]))}";
                return parse.GetValue(trial) is { } number ? $"trial: {number.ToString(CultureInfo.InvariantCulture)}\n{note}" : note;
            }
            if (parse.GetValue(trial) is not null) violations.Add("--trial", "is given without --attribute; leave it away");
            string? file = parse.GetValue(space), text = file is null ? null : violations.Try(() => SpecFile.Read(file));
            string[] given = [.. ((Option[])[parallel, trials, space]).Where(o => parse.GetResult(o) is { Implicit: false }).Select(o => o.Name)];
            if (given.Length != 1) violations.Add("--parallel", given.Length == 0 ? "is missing: give it, or --trials, or --space" : $"is one of {string.Join(", ", given)}; set one after the other");
            if (parse.GetValue(trials) is < 1 or > 100_000_000) violations.Add("--trials", $"is {parse.GetValue(trials)}, but must be between 1 and 100000000");
            if (parse.GetValue(trials) is not null && parse.GetValue(from) is not null) violations.Add("--from-trial", "is given beside --trials, which holds at once; leave it away");
            if (parse.GetValue(parallel) is < 1 or > 100_000) violations.Add("--parallel", $"is {parse.GetValue(parallel)}, but must be between 1 and 100000");
            if (parse.GetValue(from) is < 0) violations.Add("--from-trial", $"is {parse.GetValue(from)}, but must be at least 0");
            violations.ThrowIfAny();
            return Body(json =>
            {
                if (text is not null) json.WriteString("space", text);
                else if (parse.GetValue(trials) is { } most) json.WriteNumber("trials", most);
                else json.WriteNumber("parallel", parse.GetValue(parallel)!.Value);
                if (parse.GetValue(from) is { } trial) json.WriteNumber("from_trial", trial);
            });
        });
    }

    public static Command Enqueue(Bind bind)
    {
        var point = new Argument<string[]>("parameters")
        {
            Description = "Values by the names of parameters, such as optimizer.learning_rate=0.01; the sampler chooses those that are left out",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var like = new Option<int?>("--of-trial") { Description = "The parameters of this trial, but for those that are given", HelpName = "n" };
        var from = new Option<int?>("--from-trial")
        {
            Description = "Number of the first trial that may be this one, by which a deterministic study comes to the same whenever it is told; default: the next one",
            HelpName = "n",
        };
        return Create(bind, "enqueue", "Has a study try a point before others that it suggests", "enqueued", [point, like, from], parse =>
        {
            var violations = new ViolationCollector();
            foreach (var option in (Option<int?>[])[like, from])
                if (parse.GetValue(option) is < 0 and var number) violations.Add(option.Name, $"is {number}, but must be at least 0");
            if (parse.GetValue(point) is null or [] && parse.GetValue(like) is null)
                violations.Add("parameters", "are missing: give values such as optimizer.learning_rate=0.01, or --of-trial");
            var entries = Entries(parse.GetValue(point)!, "is no value of a parameter; write name=value, such as optimizer.learning_rate=0.01", violations);
            violations.ThrowIfAny();
            // YAML, which a study reads as its file
            string[] lines =
            [
                .. parse.GetValue(like) is { } trial ? [string.Create(CultureInfo.InvariantCulture, $"of_trial: {trial}")] : Array.Empty<string>(),
                .. parse.GetValue(from) is { } first ? [string.Create(CultureInfo.InvariantCulture, $"from_trial: {first}")] : Array.Empty<string>(),
                $"point: {SpecYamlText.Inline(new MappingNode([.. entries]))}",
            ];
            return string.Join('\n', lines);
        });
    }

    /// <summary>Texts of the form <c>name=value</c>, with values in YAML.</summary>
    private static List<MappingEntry> Entries(string[] texts, string wrong, ViolationCollector violations)
    {
        var entries = new List<MappingEntry>();
        foreach (string text in texts)
        {
            int equals = text.IndexOf('=');
            if (equals < 1) violations.Add(text, wrong);
            else violations.Try(() =>
            {
                entries.Add(new MappingEntry(text[..equals], SpecYaml.Parse(text[(equals + 1)..], text)));
                return true;
            });
        }
        return entries;
    }

    private static Command OfTrial(Bind bind, string name, string description, string done, string only)
    {
        var trial = Trial(only);
        return Create(bind, name, description, done, [trial], parse => BodyOf(parse, trial));
    }

    private static Option<int?> Trial(string description) => new("--trial") { Description = description, HelpName = "n" };

    private static string BodyOf(ParseResult parse, Option<int?> trial)
    {
        if (parse.GetValue(trial) is < 0) throw new SpecException("--trial", $"is {parse.GetValue(trial)}, but must be at least 0");
        return parse.GetValue(trial) is { } number ? Body(json => json.WriteNumber("trial", number)) : "";
    }

    private static Command Create(Bind bind, string name, string description, string done, IReadOnlyList<Symbol> symbols, Func<ParseResult, string> body)
    {
        var id = new Argument<string>("id") { Description = name == "cancel" ? "Id of a job or study on the cluster, or the folder of a study here" : "Id of a study on the cluster, or its folder here" };
        var key = new Option<string>("--key") { Description = "Idempotency key: a repeat with the same key does nothing more", HelpName = "text" };
        var cluster = GlobalOptions.Cluster();
        var command = new Command(name, description) { id };
        foreach (var symbol in symbols)
        {
            if (symbol is Argument argument) command.Add(argument);
            else command.Add((Option)symbol);
        }
        command.Add(key);
        command.Add(cluster);
        bind(command, async invocation =>
        {
            var (parse, console) = (invocation.Parse, invocation.Console);
            string target = parse.GetRequiredValue(id), text = body(parse), once = parse.GetValue(key) ?? Guid.NewGuid().ToString("n");
            if (StudyPlace.RunHere(target, parse.GetValue(cluster), console, "id") is { } study)
            {
                Func<bool>? hadBefore = parse.GetValue(key) is null ? null : () => HadBefore(study, new StudyRequest(name, once, text), invocation.App);
                await StudyControlClient.CommandAsync(study, name, once, text, invocation.Interrupt, hadBefore).ConfigureAwait(false);
            }
            else
            {
                using var client = ClusterClient.Open(parse.GetValue(cluster), console);
                await client.CommandAsync(target, name, once, text, invocation.Interrupt).ConfigureAwait(false);
            }
            invocation.Write(
                json =>
                {
                    json.WriteStartObject();
                    json.WriteString("id", target);
                    json.WriteString("command", name);
                    json.WriteEndObject();
                },
                writer => writer.WriteLine($"{target}: {done}"));
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>Whether a study that no process runs has had a command by its key: whoever did not hear the answer repeats it.</summary>
    private static bool HadBefore(StudyDirectory study, StudyRequest request, DistOptAppDefinition app)
    {
        try
        {
            var events = StudyJournalFile.Read(study.JournalFile, study.Name, "id").Select(e => e.Event);
            var setup = StudySetup.Of(SpecFiles.Binder(app).ReadStudy(study.SpecFile), SpecFiles.Catalogs(app)) with { Code = app.UserCode };
            return StudyEngine.Restore(setup, events, _ => { }).FindRepeat(request.ToCommand()) is not null;
        }
        catch (Exception e) when (e is SpecException or InvalidOperationException)
        {
            return false; // of another build, or damaged: then nobody can say so, and that nobody runs it is true
        }
    }

    private static string Body(Action<System.Text.Json.Utf8JsonWriter> fields) => RunJson.Text(false, json =>
    {
        json.WriteStartObject();
        fields(json);
        json.WriteEndObject();
    });
}
