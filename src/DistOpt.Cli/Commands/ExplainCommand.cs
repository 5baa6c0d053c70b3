using System.CommandLine;
using DistOpt.Core.Importance;

namespace DistOpt;

/// <summary><c>explain STUDY</c>: what mattered in a study.</summary>
internal sealed class ExplainCommand
{
    private readonly Argument<string> _study = new("study") { Description = "A study's folder, its name below studies/, the journal of a study over a function (FILE.db), or the id of one on the cluster" };

    private readonly Option<string> _params = new("--params")
    {
        Description = "Parameters to tell of, such as optimizer.learning_rate,model.dropout; default: all that are searched",
        HelpName = "names",
    };

    private readonly Option<long?> _at = new("--at")
    {
        Description = "Compare trials by what they reported at this step (epoch, ...); default: by their values, or where most ended early at a step that enough reached",
        HelpName = "step",
    };

    private readonly Option<string> _cluster = GlobalOptions.Cluster();

    private readonly Option<double> _quantile = new("--quantile")
    {
        Description = "Share of the trials that count as the best",
        HelpName = "share",
        DefaultValueFactory = _ => new ExplanationOptions().Quantile,
    };

    public static Command Create(Bind bind)
    {
        var explain = new ExplainCommand();
        var command = new Command("explain", "Says what mattered in a study: which parameters, where the best trials have them, which pairs, which one change gained most")
        {
            explain._study, explain._params, explain._at, explain._quantile, explain._cluster,
        };
        bind(command, explain.RunAsync);
        return command;
    }

    /// <summary>Names from a list with commas.</summary>
    internal static string[] Names(string? list) => list?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [];

    private async Task<int> RunAsync(CommandInvocation invocation)
    {
        var parse = invocation.Parse;
        using var source = await StudySource.OpenAsync(invocation, parse.GetRequiredValue(_study), parse.GetValue(_cluster)).ConfigureAwait(false);
        var study = source.Read(invocation);
        var explanations = StudyExplanation.Of(study.Outline, study.All, new ExplanationOptions
        {
            Parameters = [.. Names(parse.GetValue(_params))],
            Step = parse.GetValue(_at),
            Quantile = parse.GetValue(_quantile),
        });
        if (parse.GetValue(_at) is not null && study.Outline.Objectives is [var first, _, ..] objectives)
        {
            invocation.Console.Error.WriteLine($"note: --at: on their way trials report only {first.Metric}, so that alone is told of; without --at all {objectives.Length} objectives are");
        }
        if (source.NoteOf(study) is { } note) invocation.Console.Error.WriteLine("note: " + note);
        invocation.Write(
            json => ExplanationJson.Write(json, source.Path, study, explanations), writer => ExplanationText.Write(writer, study.Outline, explanations));
        return ExitCode.Done;
    }
}
