using System.Globalization;
using DistOpt.Core.Training;

namespace DistOpt;

/// <summary>What a job has lost, as a person reads it.</summary>
internal static class FailureText
{
    public static void Write(TextWriter writer, IReadOnlyList<NodeFailure> failures)
    {
        if (failures.Count == 0) return;
        writer.WriteLine("lost or failed:");
        foreach (var failure in failures)
        {
            string roles = failure.Roles.Length == 0 ? "" : $" ({failure.Roles})";
            writer.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"  {failure.At:yyyy-MM-dd HH:mm:ss} step {failure.Step}, {failure.Node}{roles}: {failure.Why}"));
            if (failure.LastLines.Length > 0)
            {
                writer.WriteLine("    its last lines:");
                foreach (string line in failure.LastLines) writer.WriteLine($"      {line}");
            }
            if (failure.Stack is not { } stack) continue;
            writer.WriteLine("    stack:");
            foreach (string line in stack.Split('\n', StringSplitOptions.RemoveEmptyEntries)) writer.WriteLine($"      {line.Trim()}");
        }
    }
}
