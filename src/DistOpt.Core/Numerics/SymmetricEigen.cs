namespace DistOpt.Core.Numerics;

/// <summary>
/// Eigenvalues and eigenvectors of symmetric matrices by cyclic Jacobi rotations (Golub and Van Loan, "Matrix Computations", 8.5), with + - * / and the
/// square root in a fixed order: the same bits everywhere.
/// </summary>
internal static class SymmetricEigen
{
    private const int MaxSweeps = 60;

    /// <summary>Writes the eigenvectors as columns, and their values beside each other, in no particular order.</summary>
    /// <param name="matrix">Row after row; its upper half is read, and all of it is overwritten.</param>
    /// <param name="values">Receives the eigenvalues.</param>
    /// <param name="vectors">Receives the eigenvectors, row after row.</param>
    public static void Decompose(Span<double> matrix, Span<double> values, Span<double> vectors)
    {
        int n = values.Length;
        vectors.Clear();
        for (int i = 0; i < n; i++) vectors[i * n + i] = 1;
        for (int sweep = 0; sweep < MaxSweeps; sweep++)
        {
            double off = 0, on = 0;
            for (int i = 0; i < n; i++)
            {
                on += matrix[i * n + i] * matrix[i * n + i];
                for (int j = i + 1; j < n; j++) off += matrix[i * n + j] * matrix[i * n + j];
            }
            if (off <= 1e-32 * on || off == 0) break;
            for (int p = 0; p < n; p++)
                for (int q = p + 1; q < n; q++) Rotate(matrix, vectors, n, p, q);
        }
        for (int i = 0; i < n; i++) values[i] = matrix[i * n + i];
    }

    /// <summary>Makes element (p, q) zero.</summary>
    private static void Rotate(Span<double> matrix, Span<double> vectors, int n, int p, int q)
    {
        double apq = matrix[p * n + q];
        if (apq == 0) return;
        double theta = (matrix[q * n + q] - matrix[p * n + p]) / (2 * apq);
        double t = (theta < 0 ? -1 : 1) / (Math.Abs(theta) + Math.Sqrt(theta * theta + 1)), c = 1 / Math.Sqrt(t * t + 1), s = t * c;
        matrix[p * n + p] -= t * apq;
        matrix[q * n + q] += t * apq;
        matrix[p * n + q] = 0;
        for (int i = 0; i < n; i++)
        {
            if (i != p && i != q)
            {
                ref double ip = ref matrix[i < p ? i * n + p : p * n + i], iq = ref matrix[i < q ? i * n + q : q * n + i];
                (ip, iq) = (c * ip - s * iq, s * ip + c * iq);
            }
            ref double vp = ref vectors[i * n + p], vq = ref vectors[i * n + q];
            (vp, vq) = (c * vp - s * vq, s * vp + c * vq);
        }
    }
}
