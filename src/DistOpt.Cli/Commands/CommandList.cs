using System.CommandLine;

namespace DistOpt;

/// <summary>Gives a command its action.</summary>
internal delegate void Bind(Command command, Func<CommandInvocation, Task<int>> run);

/// <summary>The built-in commands, in the order of the help. Adding one is one file and one line here.</summary>
internal static class CommandList
{
    public static readonly IReadOnlyList<Func<Bind, Command>> All =
    [
        TrainCommand.Create,
        SweepCommand.Create,
        EvaluateCommand.Create,
        PredictCommand.Create,
        ShowCommand.Create,
        PlotCommand.Create,
        ExplainCommand.Create,
        ExportCommand.Create,
        LearningRateFindCommand.Create,
        ListCommand.Create,
        InitCommand.Create,
        SchemaCommand.Create,
        DataCommand.Create,
        DoctorCommand.Create,
        NodeCommand.Create,
        RehearseOpeningCommand.Create,
        ClusterCommand.Create,
        SubmitCommand.Create,
        JobsCommand.Create,
        WatchCommand.Create,
        StudyControlCommands.Pause,
        StudyControlCommands.Resume,
        StudyControlCommands.Cancel,
        StudyControlCommands.Set,
        StudyControlCommands.Enqueue,
        DownloadCommand.Create,
        LogsCommand.Create,
        NodesCommand.Create,
        DrainCommand.Create,
    ];
}
