using System.CommandLine;
using DistOpt.Core.Specs;

namespace DistOpt;

/// <summary><c>drain NODE</c>: a node hands over what it has of jobs, and ends.</summary>
internal static class DrainCommand
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(0.5);

    public static Command Create(Bind bind)
    {
        var name = new Argument<string>("node") { Description = "The node's name, host:port, as 'distopt nodes' shows it" };
        var noWait = new Option<bool>("--no-wait") { Description = "Do not wait until it has left" };
        var cluster = GlobalOptions.Cluster();
        var command = new Command("drain", "Has a node hand over its work to others and leave the cluster; jobs go on, with the same bits") { name, noWait, cluster };
        bind(command, async invocation =>
        {
            string node = invocation.Parse.GetRequiredValue(name);
            using var client = ClusterClient.Open(invocation.Parse.GetValue(cluster), invocation.Console);
            if (!await IsThereAsync(client, node, invocation.Interrupt).ConfigureAwait(false))
                throw new SpecException("node", $"there is no node '{node}' in the cluster: 'distopt nodes' lists them");
            await client.DrainAsync(node, Guid.NewGuid().ToString("n"), invocation.Interrupt).ConfigureAwait(false);
            bool wait = !invocation.Parse.GetValue(noWait);
            if (wait)
            {
                using var pause = new PeriodicTimer(PollInterval, invocation.Console.Time);
                while (await IsThereAsync(client, node, invocation.Interrupt).ConfigureAwait(false))
                    await pause.WaitForNextTickAsync(invocation.Interrupt).ConfigureAwait(false);
            }
            invocation.Write(
                json =>
                {
                    json.WriteStartObject();
                    json.WriteString("node", node);
                    json.WriteBoolean("left", wait);
                    json.WriteEndObject();
                },
                writer => writer.WriteLine(wait ? $"node {node} has handed over its work and left" : $"node {node} hands over its work and leaves then"));
            return ExitCode.Done;
        });
        return command;
    }

    private static async Task<bool> IsThereAsync(ClusterClient client, string name, CancellationToken ct)
    {
        using var nodes = await client.NodesAsync(ct).ConfigureAwait(false);
        return nodes.RootElement.GetProperty("nodes").EnumerateArray().Any(n => n.GetProperty("name").GetString() == name);
    }
}
