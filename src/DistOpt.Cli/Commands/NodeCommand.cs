using System.CommandLine;
using System.Diagnostics;
using DistOpt.Hosting.Api;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Processes;
using DistOpt.Hosting.Telemetry;
using DistOpt.Protocol;
using Microsoft.Extensions.Logging;

namespace DistOpt;

/// <summary><c>node</c>: a node of a cluster, until it is stopped.</summary>
internal static class NodeCommand
{
    /// <summary>For a child whose parent is gone or wants it to end; longer than it takes to leave the cluster.</summary>
    private static readonly TimeSpan EndTime = TimeSpan.FromSeconds(15);

    public static Command Create(Bind bind)
    {
        (Option<string> Option, string Field, bool IsList)[] settings =
        [
            (Text("--roles", "coordinator,server,worker", "What the node does; default: all three"), "roles", true),
            (Text("--join", "host:port,...", "Nodes to join; without it a coordinator begins a cluster"), "join", true),
            (Text("--bind", "address", "Address to listen on; default: 127.0.0.1"), "bind", false),
            (Text("--advertise", "host", "Name under which others reach this node; default: that of --bind"), "advertise", false),
            (Text("--port", "n", $"Control port; default: {ClusterChecks.ControlPort}, 0 = any free one"), "port", false),
            (Text("--tensor-port", "n", $"Tensor port; default: {ClusterChecks.TensorPort}"), "tensor_port", false),
            (Text("--api-port", "n", $"HTTP port; default: {ClusterChecks.ApiPort}"), "api_port", false),
            (Text("--data-root", "folder", "Where runs and data are kept; default: here"), "data_root", false),
            (Text("--journal", "where", "A coordinator's journal: a SQLite file of this machine, a PostgreSQL connection string, or none"), "journal", false),
            (Text("--worker-slots", "n", "Workers that may run here at once; default: the number of hardware threads"), "worker_slots", false),
            (Text("--gpus", "n", "GPUs that workers may take here; default: those of CUDA_VISIBLE_DEVICES, or of the NVIDIA driver"), "gpus", false),
            (Text("--split-brain", "strategy", "Which side goes on when the cluster falls apart: keep-oldest (default), or keep-majority for three coordinators and more"), "split_brain", false),
            (Text("--akka", "file", "Akka's own settings (HOCON) over the built-in ones; see cluster-config/akka"), "akka", false),
            (Text("--otlp", "url", $"Collector that metrics are sent to, such as http://localhost:4318; default: {NodeTelemetry.EndpointVariable}, or nowhere"), "otlp", false),
            (Text("--log-format", "text|json", "Log on stderr as lines for people, or as JSON objects; default: text"), "log_format", false),
            (Text("--certificate", "file", "This node's certificate, PFX or PEM: TLS for all three ports"), "certificate", false),
            (Text("--certificate-key", "file", "Its key, where the certificate's file does not hold it"), "certificate_key", false),
            (Text("--ca", "file", "PEM file of the cluster's CA"), "ca", false),
            (Text("--token-file", "file", $"File with the API's token; default: {ClusterClient.TokenVariable}"), "token_file", false),
            (Text("--join-timeout", "seconds", "Give up joining after so long (exit code 4); default: 30"), "join_timeout", false),
            (Text("--coordinator-timeout", "seconds", "End after so long without any coordinator (exit code 3); default: 3600"), "coordinator_timeout", false),
            (Text("--leave-timeout", "seconds", "When stopped, hand over work to other nodes for so long at most; default: 60"), "leave_timeout", false),
        ];
        var config = Text("--config", "file", $"A node.yaml with the same settings; environment (DISTOPT_PORT, ...) and options win over it; default: {NodeSettings.ConfigVariable}");
        var check = new Option<bool>("--check") { Description = "Start nothing: ask the node with these settings whether it is alive; exit code 0 or 1" };
        var command = new Command("node", "Runs a node of a cluster until it is stopped") { config, check };
        foreach (var (option, _, _) in settings) command.Add(option);
        bind(command, invocation =>
        {
            var given = settings.Select(o => (o.Field, Text: invocation.Parse.GetValue(o.Option), o.IsList));
            var options = NodeSettings.Read(invocation, invocation.Parse.GetValue(config), given);
            return invocation.Parse.GetValue(check) ? NodeCheck.RunAsync(options, invocation.Console, invocation.Interrupt) : RunAsync(invocation, options);
        });
        return command;
    }

    private static async Task<int> RunAsync(CommandInvocation invocation, NodeOptions options)
    {
        var (console, app) = (invocation.Console, invocation.App);
        bool isChild = console.Environment(NodeProcess.ChildVariable) is not null;
        var parts = Hosts.Parts(app, Hosts.Runtimes(app, Hosts.Data(console.Environment, options.DataRoot)));
        // a child ends with its parent, which holds the other end of its standard input
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(invocation.Interrupt);
        if (isChild) _ = WatchInputAsync(console.In, stop);
        // user code may hang, and nobody else is there to end this process: its parent may be gone
        using var orphan = isChild && console.CapturesSystemConsole ? stop.Token.Register(() => _ = EndForSureAsync()) : default;
        var level = invocation.Parse.GetValue<bool>("--debug") ? LogLevel.Debug : LogLevel.Information;
        using var loggers = new NodeLoggers(isChild ? TextWriter.Null : console.Error, console.Time, level, options.LogFormat);
        ClusterNode node;
        try
        {
            node = await ClusterNode.StartAsync(options, parts, loggers, console.Time, stop.Token,
                isChild ? null : ProgramStart.Current(), isChild ? Identify : null).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TimeoutException or JoinRefusedException)
        {
            throw new CommandException(ExitCode.CouldNotJoin, e.Message);
        }
        // work may be given to it before it has heard itself that it has joined
        void Identify(NodeId id)
        {
            console.Out.WriteLine(NodeProcess.Identification + id.Value);
            console.Out.Flush();
        }

        await using (node.ConfigureAwait(false))
        {
            var userCode = loggers.CreateLogger("UserCode");
            using var capture = console.CapturesSystemConsole ? new ConsoleCapture(Capture) : null;
            await using var api = isChild ? null
                : await ApiServer.StartAsync(node, new AppSpecReader(app), loggers, console.Time, stop.Token).ConfigureAwait(false);
            console.Out.WriteLine(isChild ? NodeProcess.Announcement + node.Id.Value
                : $"node {node.Endpoint} ({string.Join(", ", options.Roles)}), tensor port {node.TensorPort}, {api!.Url}");
            await console.Out.FlushAsync(CancellationToken.None).ConfigureAwait(false);
            var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            using (stop.Token.Register(() => stopped.TrySetResult()))
                await Task.WhenAny(node.Ended, stopped.Task, node.DrainAsked).ConfigureAwait(false);
            if (node.Ended.IsCompleted) return Code(await node.Ended.ConfigureAwait(false));
            // the whole cluster of a child of --processes ends with its parent: nobody is left to take leave of
            if (isChild) await node.StopAsync(leave: options.Parent is not null).ConfigureAwait(false);
            // while the API still answers
            else await node.HandOverAsync().ConfigureAwait(false);
            return node.Ended.IsCompleted ? Code(await node.Ended.ConfigureAwait(false)) : ExitCode.Done;

            void Capture(string source, string text)
            {
                node.Output(source, source == "stderr" ? "warning" : "information", text);
                // a parent keeps the last lines of a child that it lends to trials: what is on the way from here is lost with this process
                if (isChild && options.Parent is null) return;
                // a reader of JSON lines gets nothing else on stderr
                if (options.LogFormat == LogFormat.Json) userCode.Log(source == "stderr" ? LogLevel.Warning : LogLevel.Information, "{Text}", text);
                else (source == "stderr" ? console.Error : console.Out).WriteLine(text);
            }
        }
    }

    private static int Code(NodeEnd end) => end switch
    {
        NodeEnd.Downed => throw new CommandException(ExitCode.Downed, "the cluster has downed this node; see its log and start it again"),
        NodeEnd.NotJoined => throw new CommandException(ExitCode.CouldNotJoin, "this node could not join the cluster"),
        _ => ExitCode.Done,
    };

    private static async Task EndForSureAsync()
    {
        await Task.Delay(EndTime).ConfigureAwait(false);
        Process.GetCurrentProcess().Kill();
    }

    private static async Task WatchInputAsync(TextReader input, CancellationTokenSource stop)
    {
        char[] buffer = new char[256];
        // console input is read synchronously behind this interface, hence the thread of its own
        await Task.Factory.StartNew(() =>
        {
            while (input.Read(buffer, 0, buffer.Length) > 0) { }
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).ConfigureAwait(false);
        try
        {
            await stop.CancelAsync().ConfigureAwait(false);
        }
        catch (ObjectDisposedException)
        {
            // the node has ended by itself meanwhile
        }
    }

    private static Option<string> Text(string name, string help, string description) => new(name) { HelpName = help, Description = description };
}
