using System.Collections.Immutable;
using System.Globalization;
using DistOpt.Core.Specs;
using DistOpt.Core.Specs.Yaml;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Training;

namespace DistOpt.Hosting.Studies;

/// <summary>A command to a study as it comes in from outside: by the HTTP API, or from another process of this machine.</summary>
/// <param name="Name"><c>pause</c>, <c>resume</c>, <c>cancel</c>, <c>enqueue</c> or <c>set</c>.</param>
/// <param name="Key">Idempotency key; null = none.</param>
/// <param name="Body">What goes with it, as a YAML or JSON mapping; may be empty.</param>
public sealed record StudyRequest(string Name, string? Key, string Body)
{
    /// <summary>As Optuna's databases have room for.</summary>
    internal const int AttributeNameMax = 512;

    /// <summary>Those that there are.</summary>
    public static IReadOnlyList<string> Names { get; } = ["pause", "resume", "cancel", "enqueue", "set"];

    /// <summary>How a study has ended that may go on by it: its trials done, if it is to have more, or failed, if it is resumed. Null = none may.</summary>
    /// <exception cref="SpecException">The body is none.</exception>
    public RunStatus? Reopens => Name switch
    {
        "set" when Fields().Get("trials") is not null => RunStatus.Completed,
        "resume" when Fields().Get("trial") is null or ScalarNode { IsNull: true } => RunStatus.Failed,
        _ => null,
    };

    /// <summary>What the study is to do.</summary>
    /// <returns>Throws <see cref="SpecException"/> with all that is wrong by the space in force; nothing has happened then.</returns>
    /// <exception cref="SpecException">All that is wrong with the body, whatever the space.</exception>
    public Func<StudyEngine, CommandAnswer> ToCommand()
    {
        var fields = Fields();
        string? key = Key;
        switch (Name)
        {
            case "enqueue":
                int? like = (int?)Number(fields, "of_trial", 0, int.MaxValue), from = (int?)Number(fields, "from_trial", 0, int.MaxValue);
                var point = fields.Get("point") as MappingNode ?? (like is not null && fields.Get("point") is null ? MappingNode.Empty
                    : throw new SpecException("point", "is missing: give values by the names of parameters"));
                return engine =>
                {
                    ImmutableArray<double> values = [.. SpecOf(engine).Space.Configuration(point, "", partly: true)];
                    return like is { } trial ? engine.EnqueueTrial(key, trial, values, from) : engine.Enqueue(key, values, from);
                };
            case "set":
                return Set(fields);
            default:
                bool accepts = Name == "resume" && Flag(fields, "accept_new_code");
                int? trial = (int?)Number(fields, "trial", 0, int.MaxValue);
                return Name switch
                {
                    "pause" => engine => engine.Pause(key, trial),
                    "resume" when accepts && trial is not null => throw new SpecException("accept_new_code", "is given beside trial: code is accepted for the whole study"),
                    "resume" when accepts => engine => AcceptCode(engine, key),
                    "resume" => engine => engine.Resume(key, trial),
                    "cancel" => engine => engine.Cancel(key, trial),
                    _ => throw new ArgumentException($"{Name} is no command of a study"),
                };
        }
    }

    private MappingNode Fields() => Body.Length == 0 ? MappingNode.Empty : SpecYaml.Parse(Body, "") as MappingNode
        ?? throw new SpecException("", "must be a mapping, such as {\"trial\": 3}");

    private Func<StudyEngine, CommandAnswer> Set(MappingNode fields)
    {
        if (fields.Get("attributes") is { } attributes) return Describe(fields, attributes);
        int? from = (int?)Number(fields, "from_trial", 0, int.MaxValue);
        string? key = Key, space = fields.Get("space") switch
        {
            null or ScalarNode { IsNull: true } => null,
            // a file as it is, or its space as a part of the body
            ScalarNode text => text.Text,
            var node => SpecYamlText.Write(new MappingNode([new MappingEntry("space", node)])),
        };
        if (space is null && fields.Get("trials") is not null)
        {
            if (fields.Get("parallel") is not null || from is not null)
                throw new SpecException("trials", "is given beside parallel or from_trial; set one after the other");
            int trials = (int)Number(fields, "trials", 1, 100_000_000, isNeeded: true)!.Value;
            return engine => engine.SetTrials(key, trials);
        }
        if (space is null)
        {
            int parallel = (int)Number(fields, "parallel", 1, 100_000, isNeeded: true)!.Value;
            return engine => engine.SetParallel(key, parallel, from);
        }
        if (fields.Get("trials") is not null) throw new SpecException("trials", "is given beside space; set one after the other");
        if (fields.Get("parallel") is not null) throw new SpecException("parallel", "is given beside space; set one after the other");
        return engine => engine.Widen(key, space, from);
    }

    private static Func<StudyEngine, CommandAnswer> Describe(MappingNode fields, SpecNode attributes)
    {
        string[] others = [.. fields.Entries.Select(e => e.Key).Where(k => k is not ("attributes" or "trial"))];
        if (others.Length > 0) throw new SpecException("attributes", $"is given beside {string.Join(", ", others)}; set one after the other");
        if (attributes is not MappingNode { Entries.IsEmpty: false } values || values.Entries.Any(e => e.Key.Length is 0 or > AttributeNameMax))
            throw new SpecException("attributes", $"must be values by names of 1 to {AttributeNameMax} characters");
        int? trial = (int?)Number(fields, "trial", 0, int.MaxValue);
        List<KeyValuePair<string, string>> json = [.. values.Entries.Select(e => KeyValuePair.Create(e.Key, SpecJson.Text(e.Value)))];
        return engine => engine.SetAttributes(trial, json);
    }

    private static StudySpec SpecOf(StudyEngine engine) => engine.Spec ?? throw new InvalidOperationException("the study is of no study spec");

    /// <summary>Both in one: whoever accepts the code wants the study to go on.</summary>
    private static CommandAnswer AcceptCode(StudyEngine engine, string? key)
    {
        bool isNeeded = engine.CodeChange is not null;
        var answer = engine.AcceptCode(key);
        if (!isNeeded && !answer.IsRepeat) return engine.Resume(key);
        if (answer is { IsRepeat: false, Refusal: null }) engine.Resume(null);
        return answer;
    }

    private static bool Flag(MappingNode fields, string name) => fields.Get(name) is ScalarNode { IsNull: false } node
        && (node.Text is "true" or "false" ? node.Text == "true" : throw new SpecException(name, $"is {node.Text}, but must be true or false"));

    private static long? Number(MappingNode fields, string name, long least, long most, bool isNeeded = false)
    {
        if (fields.Get(name) is not ScalarNode { IsNull: false } node)
            return isNeeded ? throw new SpecException(name, $"is missing: give a whole number from {least} to {most}") : null;
        return long.TryParse(node.Text, NumberStyles.Integer, CultureInfo.InvariantCulture, out long number)
            && number >= least && number <= most ? number
            : throw new SpecException(name, $"is {node.Text}, but must be a whole number from {least} to {most}");
    }
}
