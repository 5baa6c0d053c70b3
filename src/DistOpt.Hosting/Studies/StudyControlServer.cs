using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Hosting.Local;

namespace DistOpt.Hosting.Studies;

/// <summary>
/// Takes commands to a study that runs in this process from other processes of the same user on this machine: a Unix domain socket in a folder of the user's
/// own, whose path stands in the study's directory. One request a connection, a line of JSON each way.
/// </summary>
public sealed class StudyControlServer : IAsyncDisposable
{
    /// <summary>Longest request, in characters.</summary>
    internal const int RequestMax = 1 << 20;

    /// <summary>Connections at a time.</summary>
    private const int ConnectionsMax = 16;

    /// <summary>After a connection that could not be had, which the next one cannot be either at once.</summary>
    private static readonly TimeSpan Rest = TimeSpan.FromMilliseconds(100);

    private readonly StudyDirectory _directory;
    private readonly StudySpec _spec;
    private readonly StudyCommands _commands;
    private readonly string _folder;
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _stopped = new();
    private readonly TimeProvider _time;
    private readonly Accept _accept;
    private readonly Task _accepting;

    private StudyControlServer(StudyDirectory directory, StudySpec spec, StudyCommands commands, TimeProvider time, Accept accept)
    {
        (_directory, _spec, _commands, _time, _accept) = (directory, spec, commands, time, accept);
        // below the folder for temporary files: a study's own path may be longer than an address may be
        _folder = Directory.CreateTempSubdirectory("distopt-").FullName;
        string path = Path.Combine(_folder, "control");
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        _listener.Listen(ConnectionsMax);
        AtomicFile.Write(directory.ControlFile, Encoding.UTF8.GetBytes(path));
        _accepting = AcceptAsync();
    }

    /// <summary>How a listener gets its next connection.</summary>
    internal delegate ValueTask<Socket> Accept(Socket listener, CancellationToken cancellationToken);

    /// <summary>Begins to listen. The directory exists and is this process's.</summary>
    public static StudyControlServer Start(StudyDirectory directory, StudySpec spec, StudyCommands commands, TimeProvider? time = null) =>
        Start(directory, spec, commands, time ?? TimeProvider.System, (listener, token) => listener.AcceptAsync(token));

    internal static StudyControlServer Start(StudyDirectory directory, StudySpec spec, StudyCommands commands, TimeProvider time, Accept accept)
    {
        ArgumentNullException.ThrowIfNull(directory);
        return new StudyControlServer(directory, spec, commands, time, accept);
    }

    /// <summary>Throws nothing: what the study has come to is not to be lost by what only listened.</summary>
    public async ValueTask DisposeAsync()
    {
        Delete(_directory.ControlFile, File.Delete);
        await _stopped.CancelAsync().ConfigureAwait(false);
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _listener.Dispose();
        Delete(_folder, folder => Directory.Delete(folder, recursive: true));
        _stopped.Dispose();
    }

    private static void Delete(string path, Action<string> delete)
    {
        try
        {
            delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // what is left says nothing: nobody listens there
        }
    }

    private async Task AcceptAsync()
    {
        var serving = new List<Task>();
        using var rest = new PeriodicTimer(Rest, _time);
        while (!_stopped.IsCancellationRequested)
        {
            try
            {
                var connection = await _accept(_listener, _stopped.Token).ConfigureAwait(false);
                serving.RemoveAll(s => s.IsCompleted);
                if (serving.Count == ConnectionsMax) connection.Dispose();
                else serving.Add(ServeAsync(connection));
            }
            catch (SocketException)
            {
                // the process has no file descriptor left, for one, and nobody tells when it has: who asks waits until then
                Task rested = rest.WaitForNextTickAsync(_stopped.Token).AsTask();
                await rested.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (OperationCanceledException)
            {
                break;
            }
        }
        await Task.WhenAll(serving).ConfigureAwait(false);
    }

    private async Task ServeAsync(Socket connection)
    {
        using var socket = connection;
        try
        {
            using var stream = new NetworkStream(connection);
            using var reader = new StreamReader(stream, Encoding.UTF8);
            string? line = await reader.ReadLineAsync(_stopped.Token).ConfigureAwait(false);
            string answer = line is null or { Length: > RequestMax } ? Wrong("the request is no line of JSON, or it is too long")
                : await AnswerAsync(line).ConfigureAwait(false);
            await stream.WriteAsync(Encoding.UTF8.GetBytes(answer + "\n"), _stopped.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
        {
            // the asker has gone, or the study ends: its command is stored or not, and a repeat has the same key
        }
    }

    private async Task<string> AnswerAsync(string line)
    {
        try
        {
            var (name, key, body) = Read(line);
            if (name == "show")
            {
                var status = await _commands.StatusAsync(_stopped.Token).ConfigureAwait(false);
                return RunJson.Text(false, writer =>
                {
                    writer.WriteStartObject();
                    writer.WriteString("name", _spec.Name);
                    writer.WriteString("kind", "study");
                    writer.WriteString("status", StudyStatusJson.State(status));
                    writer.WriteString("run", _directory.Path);
                    StudyStatusJson.WriteFields(writer, (status.Spec ?? _spec).Outline, status);
                    writer.WriteEndObject();
                });
            }
            if (!StudyRequest.Names.Contains(name)) throw new SpecException("", $"'{name}' is no command of a study; known are {string.Join(", ", StudyRequest.Names)}");
            var answer = await _commands.GiveAsync(new StudyRequest(name, key, body).ToCommand(), _stopped.Token).ConfigureAwait(false);
            return answer.Refusal is { } why ? Wrong(why) : "{}";
        }
        catch (SpecException e)
        {
            return Wrong(e);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // whatever it is: who asks is to know, and others are to be answered
            return Wrong($"the study could not answer: {e.GetType().Name}: {e.Message}");
        }
    }

    /// <exception cref="SpecException">It is no request.</exception>
    private static (string Command, string? Key, string Body) Read(string line)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            string? Field(string name) => json.RootElement.TryGetProperty(name, out var value) ? value.GetString() : null;
            return (Field("command") ?? "", Field("key"), Field("body") ?? "");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new SpecException("", $"the request is no line of JSON with the texts command, key and body: {e.Message}");
        }
    }

    private static string Wrong(string why) => Wrong(new SpecException("", why));

    private static string Wrong(SpecException error) => RunJson.Text(false, json =>
    {
        json.WriteStartObject();
        json.WriteStartArray("violations");
        foreach (var violation in error.Violations)
        {
            json.WriteStartObject();
            json.WriteString("path", violation.Path);
            json.WriteString("message", violation.Message);
            if (violation.Line is { } line) json.WriteNumber("line", line);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    });
}
