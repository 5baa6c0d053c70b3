using System.Collections;
using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.CompilerServices;

using static TorchSharp.torch;

namespace DistOpt.Torch.Engine;

/// <summary>
/// Finds the tensors that a batch holds: in public auto-properties (positional record members) and public fields, also of nested
/// batch types, arrays, lists and dictionary values. Computed properties are left alone: reading one would make a new tensor.
/// </summary>
internal static class BatchTensors
{
    private static readonly ConcurrentDictionary<Type, FieldInfo[]> Members = new();

    public static List<Tensor> Of(object batch)
    {
        var tensors = new List<Tensor>();
        Collect(batch, tensors, 0);
        return tensors;
    }

    private static void Collect(object? value, List<Tensor> tensors, int depth)
    {
        if (depth > 8) throw new InvalidOperationException($"a batch may not be nested more than 8 levels deep, but {value?.GetType()} is");
        switch (value)
        {
            case null or string:
                break;
            case Tensor tensor:
                // a batch may hold one tensor twice; it is disposed of once
                if (!tensors.Exists(t => ReferenceEquals(t, tensor))) tensors.Add(tensor);
                break;
            case IDictionary dictionary:
                foreach (object? item in dictionary.Values) Collect(item, tensors, depth + 1);
                break;
            case IEnumerable items:
                if (!MayHoldTensors(value.GetType())) break;
                foreach (object? item in items) Collect(item, tensors, depth + 1);
                break;
            default:
                foreach (var field in Members.GetOrAdd(value.GetType(), MembersOf)) Collect(field.GetValue(value), tensors, depth + 1);
                break;
        }
    }

    private static bool MayHoldTensors(Type collection)
    {
        foreach (var type in collection.GetInterfaces())
        {
            if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IEnumerable<>))
                return IsCandidate(type.GenericTypeArguments[0]);
        }
        return true;
    }

    private static bool IsCandidate(Type type) => !type.IsPrimitive && !type.IsEnum && !type.IsPointer && type != typeof(string)
        && !typeof(nn.Module).IsAssignableFrom(type) && !typeof(Dataset).IsAssignableFrom(type) && !typeof(Delegate).IsAssignableFrom(type)
        && !typeof(MemberInfo).IsAssignableFrom(type);

    private static FieldInfo[] MembersOf(Type type)
    {
        const BindingFlags own = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
        var members = new List<FieldInfo>();
        for (var t = type; t is not null && t != typeof(object); t = t.BaseType)
        {
            if (!IsCandidate(t)) break;
            foreach (var field in t.GetFields(own))
                if (IsCandidate(field.FieldType) && (field.IsPublic || IsBackingOfPublicProperty(t, field))) members.Add(field);
        }
        return [.. members];
    }

    private static bool IsBackingOfPublicProperty(Type type, FieldInfo field)
    {
        if (!field.IsDefined(typeof(CompilerGeneratedAttribute)) || !field.Name.StartsWith('<')) return false;
        int end = field.Name.IndexOf('>', StringComparison.Ordinal);
        return end > 1 && type.GetProperty(field.Name[1..end])?.GetMethod is { IsPublic: true };
    }
}
