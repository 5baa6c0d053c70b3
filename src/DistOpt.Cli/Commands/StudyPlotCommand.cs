using System.CommandLine;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Plots;

namespace DistOpt;

/// <summary><c>plot STUDY</c>: a file for each kind of picture that the study has, or some kinds in one file.</summary>
internal sealed class StudyPlotCommand
{
    public Option<string> Kind { get; } = new("--kind")
    {
        Description = $"Of a study: what to draw, of {string.Join(", ", StudyPlots.All.Select(k => k.Name))}; default: all that it has",
        HelpName = "names",
    };

    public Option<string> Params { get; } = new("--params")
    {
        Description = "Of a study: parameters to show, such as optimizer.learning_rate,model.dropout; default: all that are searched",
        HelpName = "names",
    };

    public Option<string> Metric { get; } = new("--metric") { Description = "Of a study with several objectives: the one to show; default: the first", HelpName = "split.name" };

    public Option<string> Cluster { get; } = GlobalOptions.Cluster();

    /// <summary>Whether an option of studies is given.</summary>
    public bool IsAsked(ParseResult parse) =>
        ((Option[])[Kind, Params, Metric, Cluster]).Any(o => parse.GetResult(o) is { Implicit: false });

    public async Task<int> RunAsync(CommandInvocation invocation, string name, string? path, ViolationCollector violations)
    {
        var parse = invocation.Parse;
        using var found = await StudySource.OpenAsync(invocation, name, parse.GetValue(Cluster)).ConfigureAwait(false);
        string[] asked = ExplainCommand.Names(parse.GetValue(Kind));
        var kinds = StudyPlots.Chosen(asked, violations);
        if (path is not null) PlotCommand.CheckFile(path, violations);
        var format = violations.Try(() => PlotCommand.FormatOf(invocation.Format, path));
        var study = violations.Try(() => found.Read(invocation));
        if (study is { All.IsEmpty: true }) violations.Add("study", $"'{name}' has no trial that has ended; wait for some");
        var source = study is null ? null : violations.Try(() => new StudyPlotSource(study,
            ExplainCommand.Names(parse.GetValue(Params)), parse.GetValue(Metric)));
        if (source is not null && asked.Length > 0)
            foreach (var kind in kinds)
                if (kind.Missing(source) is { } reason) violations.Add("--kind", $"'{kind.Name}' cannot be drawn: {reason}");
        violations.ThrowIfAny();

        var drawn = kinds.Where(k => k.Missing(source!) is null).ToList();
        if (drawn.Count == 0) throw new SpecException("study", $"'{name}' has nothing that could be drawn; wait for more trials");
        List<string> files = [];
        if (path is not null) Write(path, drawn.SelectMany(k => k.Panels(source!)));
        else
        {
            string folder = found.PlotFolder(invocation.Console.StudiesRoot);
            System.IO.Directory.CreateDirectory(folder);
            foreach (var kind in drawn) Write(System.IO.Path.Combine(folder, kind.Name + (format == PlotFormat.Png ? ".png" : ".svg")), kind.Panels(source!));
        }
        if (found.NoteOf(study!) is { } note) invocation.Console.Error.WriteLine("note: " + note);
        var left = kinds.Except(drawn).Select(k => (k.Name, Why: k.Missing(source!)!)).ToList();
        var partial = drawn.Select(k => (k.Name, What: k.Partial(source!))).Where(k => k.What is not null).ToList();
        invocation.Write(
            json =>
            {
                json.WriteStartObject();
                json.WriteStartArray("files");
                foreach (string file in files) json.WriteStringValue(file);
                json.WriteEndArray();
                json.WriteStartArray("kinds");
                foreach (var kind in drawn) json.WriteStringValue(kind.Name);
                json.WriteEndArray();
                json.WriteStartObject("left_out");
                foreach (var (kind, why) in left) json.WriteString(kind, why);
                json.WriteEndObject();
                json.WriteStartObject("partial");
                foreach (var (kind, what) in partial) json.WriteString(kind, what);
                json.WriteEndObject();
                StudySource.WriteNotEnded(json, study!);
                json.WriteEndObject();
            },
            writer =>
            {
                foreach (string file in files) writer.WriteLine($"written: {file}");
                foreach (var (kind, what) in partial) writer.WriteLine($"{kind}: {what}");
                foreach (var (kind, why) in left) writer.WriteLine($"left out: {kind} ({why})");
            });
        return ExitCode.Done;

        void Write(string file, IEnumerable<PlotPanel> panels)
        {
            AtomicFile.Write(file, Figure.Draw([.. panels], format));
            files.Add(file);
        }
    }
}
