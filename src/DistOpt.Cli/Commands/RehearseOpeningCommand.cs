using System.CommandLine;
using DistOpt.Core.Specs;
using DistOpt.Hosting.Processes;

namespace DistOpt;

/// <summary>
/// <c>rehearse-opening</c>: opens model and data of a spec and says that it lives. A node runs it as its child (<see cref="OpeningRehearsal"/>), people do not.
/// </summary>
internal static class RehearseOpeningCommand
{
    public static Command Create(Bind bind)
    {
        var file = new Argument<string>("file") { Description = "A resolved spec" };
        var dataRoot = new Option<string>("--data-root") { Description = "Data root of the node", HelpName = "folder" };
        var command = new Command(OpeningRehearsal.Command, "Opens model and data of a spec, for a node that wants to know what becomes of who does")
        {
            file, dataRoot,
        };
        command.Hidden = true;
        bind(command, async invocation =>
        {
            var (console, app) = (invocation.Console, invocation.App);
            string yaml = await File.ReadAllTextAsync(invocation.Parse.GetRequiredValue(file), invocation.Interrupt).ConfigureAwait(false);
            // a child ends with its parent, wherever user code is
            if (console.Environment(NodeProcess.ChildVariable) is not null) _ = EndWithParentAsync(console.In);
            var runtimes = Hosts.Runtimes(app, Hosts.Data(console.Environment, invocation.Parse.GetValue(dataRoot)));
            try
            {
                runtimes.Open(new AppSpecReader(app).Read(yaml)).Dispose();
            }
            catch (Exception e)
            {
                // whoever opens it for good gets the same and knows what to do with it
                console.Error.WriteLine($"{e.GetType().Name}: {e.Message}");
            }
            console.Out.WriteLine(OpeningRehearsal.Done);
            await console.Out.FlushAsync(CancellationToken.None).ConfigureAwait(false);
            return ExitCode.Done;
        });
        return command;
    }

    private static async Task EndWithParentAsync(TextReader input)
    {
        await Task.Factory.StartNew(() =>
        {
            while (input.Read() >= 0) { }
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).ConfigureAwait(false);
        System.Diagnostics.Process.GetCurrentProcess().Kill();
    }
}
