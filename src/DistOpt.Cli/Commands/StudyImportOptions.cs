using System.CommandLine;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Exchange;

namespace DistOpt;

/// <summary>Options of <c>sweep</c> and <c>submit</c> that give the sampler of a study trials of another study.</summary>
internal sealed class StudyImportOptions
{
    private readonly Option<string> _import = new("--import")
    {
        Description = "Trials that the sampler knows from the beginning: a database or journal of Optuna, CSV or Parquet of export, or a study's folder",
        HelpName = "file",
    };

    private readonly Option<string> _study = new("--import-study") { Description = "Which study of --import, where it has several", HelpName = "name" };

    private readonly Option<string[]> _as = new("--import-as")
    {
        Description = "What a parameter, objective or constraint of --import is called here, such as lr=optimizer.learning_rate; repeatable",
        HelpName = "theirs=ours",
        AllowMultipleArgumentsPerToken = false,
        Arity = ArgumentArity.OneOrMore,
    };

    public void AddTo(Command command)
    {
        command.Add(_import);
        command.Add(_study);
        command.Add(_as);
    }

    public bool IsGiven(ParseResult parse) =>
        parse.GetValue(_import) is not null || parse.GetValue(_study) is not null || parse.GetValue(_as) is { Length: > 0 };

    /// <summary>The trials that fit; what does not is named on <paramref name="warnings"/>.</summary>
    /// <param name="parse">What was typed.</param>
    /// <param name="spec">The study; null where it has errors of its own, or takes none.</param>
    /// <param name="app">Catalogue.</param>
    /// <param name="warnings">Where to say what is left out.</param>
    /// <exception cref="SpecException">All violations.</exception>
    public IReadOnlyList<ImportedTrial> Read(ParseResult parse, StudySpec? spec, DistOptAppDefinition app, TextWriter warnings)
    {
        var violations = new ViolationCollector();
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string text in parse.GetValue(_as) ?? [])
        {
            string[] pair = text.Split('=', 2, StringSplitOptions.TrimEntries);
            if (pair is not [{ Length: > 0 }, { Length: > 0 }])
                violations.Add("--import-as", $"is '{text}', but must be theirs=ours, such as lr=optimizer.learning_rate");
            else if (!names.TryAdd(pair[0], pair[1])) violations.Add("--import-as", $"names '{pair[0]}' twice; remove one");
        }
        string? path = parse.GetValue(_import), study = parse.GetValue(_study);
        if (path is null && study is not null) violations.Add("--import-study", $"is '{study}', but there is no --import: name the file too");
        if (path is null && names.Count > 0) violations.Add("--import-as", "is given, but there is no --import: name the file too");
        var other = path is null ? null : violations.Try(() => StudyFiles.ReadAsync(path, study, app).GetAwaiter().GetResult());
        violations.ThrowIfAny();
        if (other is null || spec is null) return [];
        string source = other.Name == path ? path : $"{path}, study {other.Name}";
        var import = StudyImport.Of(spec, other, source, names);
        foreach (var misfit in import.Misfits) warnings.WriteLine($"warning: --import: left out: {misfit}");
        return import.Trials;
    }
}
