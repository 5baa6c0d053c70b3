using System.CommandLine;

namespace DistOpt.Examples;

/// <summary>Verbs for the studies in code.</summary>
internal static class StudyCommands
{
    public static IEnumerable<Command> Create()
    {
        var file = new Argument<string>("file") { Description = "SQLite file of the study's journal; run it again to go on" };
        var function = new Command("study-function", "Tunes a function from C# code, with a journal") { file };
        function.SetAction((parse, stop) => FunctionStudies.RunFunctionAsync(parse.GetValue(file)!, parse.InvocationConfiguration.Output, stop));
        yield return function;

        var ask = new Command("study-ask-tell", "Tunes a function by asking for trials and telling of them");
        ask.SetAction(parse =>
        {
            FunctionStudies.AskAndTell(parse.InvocationConfiguration.Output);
        });
        yield return ask;

        var defined = new Command("study-define-by-run", "Tunes a function that defines its parameters while it runs, with pruning");
        defined.SetAction((parse, stop) => FunctionStudies.DefineByRunAsync(parse.InvocationConfiguration.Output, stop));
        yield return defined;

        var folder = new Option<string?>("--out") { Description = "Folder of the study" };
        var training = new Command("study-training", "Tunes a network from C# code, without a spec file") { folder };
        training.SetAction((parse, stop) => FunctionStudies.TuneTrainingAsync(parse.GetValue(folder), parse.InvocationConfiguration.Output, stop));
        yield return training;
    }
}
