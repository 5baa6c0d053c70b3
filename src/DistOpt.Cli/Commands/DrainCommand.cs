using System.CommandLine;
using System.Globalization;
using System.Text.Json;
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
        var timeout = new Option<double>("--timeout")
        {
            Description = "Seconds to wait until it has left",
            HelpName = "seconds",
            DefaultValueFactory = _ => 600,
        };
        var cluster = GlobalOptions.Cluster();
        var command = new Command("drain", "Has a node hand over its work to others and leave the cluster; jobs go on, with the same bits")
        {
            name, noWait, timeout, cluster,
        };
        bind(command, async invocation =>
        {
            string node = invocation.Parse.GetRequiredValue(name);
            double seconds = invocation.Parse.GetValue(timeout);
            if (seconds is not (>= 0 and <= 86_400))
                throw new SpecException("--timeout", string.Create(CultureInfo.InvariantCulture, $"is {seconds}, but must be from 0 to 86400 seconds"));
            using var client = ClusterClient.Open(invocation.Parse.GetValue(cluster), invocation.Console);
            if (await FindAsync(client, node, invocation.Interrupt).ConfigureAwait(false) is not { } incarnation)
                throw new SpecException("node", $"there is no node '{node}' in the cluster: 'distopt nodes' lists them");
            await client.DrainAsync(node, incarnation, Guid.NewGuid().ToString("n"), invocation.Interrupt).ConfigureAwait(false);
            bool wait = !invocation.Parse.GetValue(noWait);
            if (wait)
            {
                using var pause = new PeriodicTimer(PollInterval, invocation.Console.Time);
                long start = invocation.Console.Time.GetTimestamp();
                // one that is started in its place has another incarnation
                while (await FindAsync(client, node, invocation.Interrupt).ConfigureAwait(false) == incarnation)
                {
                    if (invocation.Console.Time.GetElapsedTime(start).TotalSeconds > seconds)
                    {
                        invocation.Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture,
                            $"error: node {node} has not left within {seconds:0.#} s (--timeout); it goes on to hand over: see 'distopt nodes' and its log"));
                        return ExitCode.Failed;
                    }
                    await pause.WaitForNextTickAsync(invocation.Interrupt).ConfigureAwait(false);
                }
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

    /// <returns>The incarnation of the node with that name that is there now; null = none is.</returns>
    private static async Task<string?> FindAsync(ClusterClient client, string name, CancellationToken ct)
    {
        using var nodes = await client.NodesAsync(ct).ConfigureAwait(false);
        var node = nodes.RootElement.GetProperty("nodes").EnumerateArray().FirstOrDefault(n => n.GetProperty("name").GetString() == name);
        return node.ValueKind == JsonValueKind.Undefined ? null : node.GetProperty("incarnation").GetString();
    }
}
